"""Knowledge in the console: the list of articles, one of them, and the editor."""
