"""Search of published knowledge and earlier cases, from anywhere."""
