"""Governed actions: cards, the queue of what waits, one action in full, deciding."""
