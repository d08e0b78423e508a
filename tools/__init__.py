"""Programs for contributors: checks, generated docs, measurements."""
