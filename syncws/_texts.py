"""What may stand for text: str, and what is derived from it, as the members of some enumerations are.

Pure functions: any thread may call them.
"""

__all__ = ["plain_text"]

plain_text = str.__str__
"""Returns what a str holds; one of a class derived from str may format as something else, such as a member's name."""
