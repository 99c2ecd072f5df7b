"""Imported by every Python that starts with this folder on its path, which compliance/without.py arranges."""

from compliance.without import take_out_named

take_out_named()
