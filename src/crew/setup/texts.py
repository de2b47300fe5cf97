"""The YAML that `crew init` writes: the defaults, fitted to what was found. Pure."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from crew.setup.chains import ordered_chains
from crew.setup.checks import Check
from crew.setup.keys import Keys
from crew.setup.local_servers import LocalServer

FILES = ("agents.yaml", "tasks.yaml", "providers.yaml", "tiers.yaml", "inputs.yaml")
_OLLAMA = re.compile(r"(?<=\n    model: ollama_chat/)qwen3:8b(?=\s)")
_LAST = re.compile(r"(?<=\n  last-resort: \[)([^\]\n]*)(?=\])")
_CHECKS = re.compile(r"^checks:\n((?:[ \t]+\S.*\n)*(?:#  \S.*\n)*)", re.MULTILINE)
"""With the examples below, which are comments."""
_SHARE = """\
# What they need of your checkout, lent read-only; one that is missing is passed over.
"""
_PROVIDER = """\
  {name}: # found on this machine by `crew init`
    local: true # needs no key; used when base_url answers
    base_url: http://127.0.0.1:{port}/v1
    timeout: 10m
    limits: 1 concurrent

"""
_DEPLOYMENT = """\
  {name}: # the model that was there; any other that it lists works as well
    provider: {name}
    model: openai/{model}
    price: {{ input: 0, output: 0 }}
    max_output: 8_192
    tools: true

"""


def default_texts(defaults: Path) -> dict[str, str]:
    """The YAML files that come with the package. Raises OSError."""
    return {name: (defaults / name).read_text(encoding="utf-8") for name in FILES}


def fitted(
    texts: Mapping[str, str],
    keys: Keys,
    servers: Sequence[LocalServer],
    checks: Sequence[Check],
    shares: Sequence[str] = (),
) -> dict[str, str]:
    """The files with the chains ordered by the keys, the local servers that answer,
    the checks of the repository, and what these need of the checkout."""
    providers, tiers = texts["providers.yaml"], texts["tiers.yaml"]
    for server in servers:
        providers, tiers = _with_server(providers, tiers, server)
    usable = keys.usable | {server.kind.name for server in servers}
    return {
        **texts,
        "providers.yaml": providers,
        "tiers.yaml": ordered_chains(tiers, usable),
        "inputs.yaml": with_checks(texts["inputs.yaml"], checks, shares),
    }


def _with_server(providers: str, tiers: str, server: LocalServer) -> tuple[str, str]:
    """The two files with a server that may not be in them, in the last chain."""
    name, model = server.kind.name, server.best_model
    if name == "ollama":
        if "qwen3:8b" not in server.models:
            providers = _OLLAMA.sub(model, providers, count=1)
        return providers, tiers
    head = _PROVIDER.format(name=name, port=server.kind.port)
    entry = _DEPLOYMENT.format(name=name, model=model)
    providers = providers.replace("\nproviders:\n", f"\nproviders:\n{head}", 1)
    providers = providers.replace("\ndeployments:\n", f"\ndeployments:\n{entry}", 1)
    return providers, _LAST.sub(rf"\g<1>, {name}", tiers, count=1)


def with_checks(
    inputs: str, checks: Sequence[Check], shares: Sequence[str] = ()
) -> str:
    """inputs.yaml with the checks in it, before the one for a run without a
    repository; as it is where there are none."""
    if not checks:
        return inputs
    files = ", ".join(dict.fromkeys(check.file for check in checks))
    found = f"# Found by `crew init` in {files}.\nchecks:\n" + "".join(
        f"  {check.name}: {json.dumps(check.command)}\n" for check in checks
    )
    shared = f"{_SHARE}share: [{', '.join(shares)}]\n" if shares else ""
    return _CHECKS.sub(lambda usual: f"{found}{usual[1]}{shared}", inputs, count=1)
