"""The log of what the console said."""
