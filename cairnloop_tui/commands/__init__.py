"""Every command of the console, once: keys, palette, footer, help and hints come from here."""
