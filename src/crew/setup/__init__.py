"""Setting up: what `crew init` finds in a directory, and the files that it writes."""
