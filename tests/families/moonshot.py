"""Captured answers of Moonshot."""

UNSUPPORTED = (
    ("moonshot", 400, "thinking is enabled but reasoning_content is missing in as"),
)
