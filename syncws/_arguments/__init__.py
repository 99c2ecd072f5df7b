"""What is checked before any I/O: arguments and settings.

Any thread may call it.
"""
