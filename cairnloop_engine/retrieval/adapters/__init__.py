"""The embedders that ship with Cairnloop."""
