"""Reports as one self-contained HTML page each: a run, and a stretch of time."""
