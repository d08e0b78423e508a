"""Lists whose cursor and marks stay with their rows while the data moves."""
