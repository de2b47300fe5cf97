"""What is known of runs and limits, as values, JSON, text and comments."""
