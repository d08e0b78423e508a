"""Generators that ship with Cairnloop."""
