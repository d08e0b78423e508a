"""Drafts: proposed by a generator, decided by a person, and only then sent."""
