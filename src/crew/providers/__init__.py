"""The way out: calls to providers, and what their answers and errors mean."""
