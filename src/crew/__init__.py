"""A CrewAI development crew that keeps working when limits hit."""
