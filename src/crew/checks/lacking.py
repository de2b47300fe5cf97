"""What a command did not find in the sandbox, by its output, and what to do."""

import re
from collections.abc import Sequence
from pathlib import Path

_NAME = r"['\"`\u2018]?(?P<name>(?:@?\w|/)[\w.+/@-]*?)['\"`\u2019]?"
_LACKS = tuple(
    re.compile(pattern.replace("NAME", _NAME), re.MULTILINE)
    for pattern in (
        r"^\S*sh: (?:line )?(?:\d+: )?NAME: (?:command )?not found$",
        r"^(?:g?make(?:\[\d+\])?|\S*env): NAME: No such file or directory$",
        r"^error: Failed to spawn: NAME$",  # uv
        r"^Command not found: NAME$",  # poetry
        r"Command NAME not found",  # pnpm
        r"npx canceled due to missing packages.*\[NAME(?:@[^@\]]*)?\]",
        r"^\S*python[\d.]*: No module named NAME$",
        r"ModuleNotFoundError: No module named NAME$",
        r"Cannot find (?:module|package) NAME(?: imported.*)?$",  # node
    )
)
_NETWORK = re.compile(
    r"Temporary failure in name resolution|Network is unreachable|EAI_AGAIN|ENOTCACHED"
    r"|[Cc]ould not resolve host|[Nn]etwork (?:connectivity is|was) disabled"
    r"|--offline was specified|disabled by GOPROXY=off"
)
_DIRECTORIES = (".venv", "venv", "node_modules")


def advice(output: str, source: Path | None, share: Sequence[str]) -> str:
    """One line for a command that lacks something; nothing where it shows nothing of
    the kind. `source` is the user's checkout, `share` what is lent of it."""
    found = next(filter(None, (one.search(output) for one in _LACKS)), None)
    lacks = found["name"] if found else ""
    if lacks.startswith("/"):
        return (
            f"{lacks} is not in the sandbox, which has the system's programs and those "
            "of PATH, but not home or /tmp. Put it on PATH, or into a directory of "
            "your checkout that `share` names, such as .venv (inputs.yaml)"
        )
    if lacks and not _is_own(source, lacks):
        there = [
            name
            for name in _DIRECTORIES
            if source is not None and name not in share and (source / name).is_dir()
        ]
        if there:
            listed = ", ".join([*share, *there])
            return (
                f"{lacks} is not in the sandbox. If your checkout has it, write "
                f"`share: [{listed}]` into inputs.yaml"
            )
        return (
            f"{lacks} is not in the sandbox. Install it into a directory that `share` "
            "names, such as .venv, or by `setup` with `network: setup` (inputs.yaml)"
        )
    if _NETWORK.search(output):
        return (
            "It wants the network, which a check has not. Install what it needs "
            "before, by `setup` with `network: setup` (inputs.yaml)"
        )
    return ""


def _is_own(source: Path | None, module: str) -> bool:
    """Whether it is a part of the repository, so that installing is no help."""
    top = re.split(r"[./]", module)[0]
    return source is not None and any(
        (source / part / name).exists()
        for part in ("", "src")
        for name in (top, f"{top}.py")
    )
