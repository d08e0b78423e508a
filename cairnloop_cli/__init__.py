"""The command line of Cairnloop."""
