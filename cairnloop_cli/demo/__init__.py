"""Starts and stops the processes of the demo, and walks through its stages."""
