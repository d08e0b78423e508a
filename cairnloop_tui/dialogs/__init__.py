"""The small dialogs: palette, help and prompt."""
