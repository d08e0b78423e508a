"""Conversations: what customers and operators say, what is held back, and whose turn it is."""
