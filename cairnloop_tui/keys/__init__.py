"""Keys: sequences, the keymap, the guard against accidents, and the which-key hints."""
