"""Governed actions: proposed by anybody, decided by a named person, run at most once."""
