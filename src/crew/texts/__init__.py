"""What a text must not show: secrets, and escapes that a terminal would obey."""
