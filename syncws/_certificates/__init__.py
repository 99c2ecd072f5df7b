"""Certificates as values: their fields, how they are loaded with a key, the names of what can be wrong with one."""
