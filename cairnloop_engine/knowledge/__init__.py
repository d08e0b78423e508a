"""What the desk knows: articles, their immutable revisions, and the chunks made from them."""
