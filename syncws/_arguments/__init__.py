"""What is checked before any I/O: arguments and settings.

May import _wire, certificates, credentials, enums and errors. Any thread may call it.
"""
