"""The queue: which conversation next."""
