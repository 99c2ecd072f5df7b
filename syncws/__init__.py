"""syncws."""
