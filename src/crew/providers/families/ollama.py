"""Ollama, as of 2026-11: docs.ollama.com/api, its official client 0.6."""

import re
from dataclasses import replace

from crew.providers.bodies import Body, as_object
from crew.providers.families.family import Details, Family
from crew.providers.headers import no_limits
from crew.providers.listing import Listed, count, texts
from crew.providers.rules import Meaning


def with_details(listed: Listed, shown: object) -> Listed:
    """The model with what /api/show adds; the list has names only."""
    body = as_object(shown)
    sizes = (
        count(value)
        for key, value in as_object(body.get("model_info")).items()
        if key.endswith(".context_length")
    )
    able = texts(body.get("capabilities"))
    return replace(
        listed,
        vision=None if able is None else "vision" in able,
        tools=None if able is None else "tools" in able,
        context_window=next(sizes, None),
    )


_MISSING = re.compile(
    r"\bmodel ['\"]([\w.:/@-]{1,100})['\"] not found(?:, try pulling|$)", re.IGNORECASE
)
_TOO_LARGE = re.compile(
    r"more system memory \(([\d.]+ [KMGT]iB)\) than is available \(([\d.]+ [KMGT]iB)\)"
)


def _advice(body: Body) -> str:
    message = body.message.strip()
    if found := _MISSING.search(message):
        return f"not there yet; run: ollama pull {found[1]}"
    if found := _TOO_LARGE.search(message):
        return f"too large: it needs {found[1]} of memory, {found[2]} are free there"
    return ""


OLLAMA_CHAT = Family(
    name="ollama_chat",
    # Where it listens by default.
    base_url="http://localhost:11434",
    chat_completions=False,
    reasoning_fields=("reasoning_content",),
    reads_headers=no_limits,
    words={
        Meaning.UNSUPPORTED: ("missing data required for image input",),
        Meaning.GONE: ("not found, try pulling",),
    },
    advises=_advice,
    list_path="api/tags",
    details=Details(path="api/show", adds=with_details),
)
# litellm's older way there knows no messages, and so no reasoning in them.
OLLAMA = replace(
    OLLAMA_CHAT, name="ollama", reasoning_fields=(), reads_headers=None, words={}
)
