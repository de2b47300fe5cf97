"""Counting alone: limits, admission, and the stores that hold the counts."""
