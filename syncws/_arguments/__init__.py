"""What is checked before any I/O: arguments and settings. Imports enums and errors only; any thread may call it."""
