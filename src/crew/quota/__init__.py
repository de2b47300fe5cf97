"""Limits, the stores that count against them, and the guard that every call passes."""
