"""When a test says that something hangs.

A deadline of a test is for hangs alone: on a machine with eight busy processes all is
slow, and no test fails for that.
"""

HANGS_AFTER = 600.0
"""Seconds. What ends by itself is waited for so long, and nowhere for less."""
