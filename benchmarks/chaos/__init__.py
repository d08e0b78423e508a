"""The chaos suite: kills, outages and freezes, and afterwards the books are balanced by SQL."""
