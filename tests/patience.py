"""How long a test waits before it calls something hung.

A deadline of a test is for hangs alone: a machine with eight busy processes is slow,
and no test fails for that.
"""

PATIENCE = 600.0
"""Seconds. Every wait of a test that ends by itself has this deadline and no other."""
