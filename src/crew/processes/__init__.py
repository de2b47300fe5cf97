"""Child processes: what they inherit, and what they may take."""
