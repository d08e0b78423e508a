"""The ways in which customers reach us."""
