"""`crew check`: who can serve whom, by the YAML and by asking the providers."""
