"""One task of a crew: who works on it, and what decides that it is done."""
