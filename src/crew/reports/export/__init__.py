"""The rows of the journal for other programs: JSON lines, CSV, Parquet."""
