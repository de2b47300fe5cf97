"""One call of an agent, from its LLM to the journal."""
