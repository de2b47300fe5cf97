"""The life and the files of a run."""
