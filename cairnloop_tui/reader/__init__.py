"""A dialog in which a long text is read."""
