"""One module for each page of docs/reference, each with a ``page()`` that writes it."""
