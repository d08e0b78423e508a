"""How the console looks: colour tokens, themes, glyphs and brushes."""
