"""Finding the passage that answers, and saying how sure we are."""
