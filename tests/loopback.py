"""The tests' own requests, to what they started on loopback.

A client of httpx's reads all certificates of the machine when it is made, which takes
20 ms. Nobody on loopback shows one, so this client needs none. It keeps no connection:
the next test has another server, maybe at the same port.
"""

import httpx

from hangs import HANGS_AFTER

http = httpx.Client(
    verify=False,
    trust_env=False,
    timeout=HANGS_AFTER,
    limits=httpx.Limits(max_keepalive_connections=0),
)
