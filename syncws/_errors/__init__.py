"""How errors leave the library."""
