"""The variables of a command in the sandbox (pure).

A package manager that finds no network would try for long, and then not start what is
installed already: it is told so from the beginning.
"""

from collections.abc import Mapping

from crew.sandbox.job import HOME, PRIVATE

_ALWAYS = {
    "HOME": str(HOME),
    "TMPDIR": str(PRIVATE),
    "LANG": "C.UTF-8",
    "TERM": "dumb",
    "NO_COLOR": "1",
    "CI": "true",  # nobody is there to answer, or to watch
    "PYTHONPYCACHEPREFIX": str(PRIVATE / "pycache"),
    "PYTHONUNBUFFERED": "1",
    "GOFLAGS": "-mod=mod -modcacherw",
    "npm_config_update_notifier": "false",
    "YARN_ENABLE_TELEMETRY": "0",
}
_OFFLINE = {
    "CARGO_NET_OFFLINE": "true",
    "GOPROXY": "off",
    "GOTOOLCHAIN": "local",
    # `uv run` would bring the environment up to date, which is lent read-only.
    "UV_NO_SYNC": "1",
    "UV_OFFLINE": "1",
    "UV_PYTHON_DOWNLOADS": "never",
    "PIP_NO_INDEX": "1",
    "npm_config_offline": "true",
    "YARN_ENABLE_NETWORK": "0",
    # `pnpm test` would install first what differs from the lock file.
    "pnpm_config_verify_deps_before_run": "false",
    "COREPACK_ENABLE_NETWORK": "0",
}


def surroundings(*, online: bool) -> Mapping[str, str]:
    """The variables that every command gets, with the network or without."""
    return _ALWAYS if online else {**_ALWAYS, **_OFFLINE}
