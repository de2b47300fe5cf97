"""What happens in a run, while it happens: events for whoever follows it."""
