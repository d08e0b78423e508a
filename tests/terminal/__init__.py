"""The console in a real terminal."""
