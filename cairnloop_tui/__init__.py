"""The terminal console of Cairnloop."""
