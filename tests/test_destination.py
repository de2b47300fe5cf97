"""Nothing but the YAML says where a call goes."""

import asyncio
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import litellm
import pytest

from building import deployment, provider
from crew.errors import BadAnswer, ModelGone, ProviderError, Unreachable
from crew.providers.destination import address
from crew.providers.families.registry import FAMILIES, family
from crew.providers.prompt import Prompt
from crew.providers.transport import acomplete, complete
from crew.settings import Deployment
from scripted import Scripted, serving
from test_exchange import ELSEWHERE

HELLO = Prompt(messages=[{"role": "user", "content": "Say hello."}])
NAMES = sorted({one.name for one in FAMILIES} | set(ELSEWHERE) | {"azure"})
KNOWN = [name for name in NAMES if family(name).base_url]


@cache
def variables() -> frozenset[str]:
    """The variables by which litellm of this version may be sent elsewhere."""
    found: set[str] = set()
    for path in Path(litellm.__file__).parent.rglob("*.[pj][ys]*"):
        if "proxy" not in path.parts and path.suffix in (".py", ".json"):
            text = path.read_text("utf-8", errors="replace")
            found.update(re.findall(r"\"([A-Z][A-Z0-9_]*_(?:BASE|BASE_URL))\"", text))
            found.update(re.findall(r"\"([A-Z][A-Z0-9_]*_(?:URL|ENDPOINT))\"", text))
    return frozenset(found)


@pytest.fixture
def hostile(monkeypatch: pytest.MonkeyPatch) -> Iterator[Scripted]:
    """A server that every variable of an address names."""
    assert {"OPENAI_BASE_URL", "MISTRAL_AZURE_API_BASE"} <= variables()
    with serving() as script:
        for name in variables():
            monkeypatch.setenv(name, script.url)
        yield script


def asked(name: str) -> Deployment:
    return deployment("m", provider("p"), model=f"{name}/m")


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("awaited", [False, True], ids=["call", "async"])
@pytest.mark.parametrize("name", NAMES)
def test_no_variable_sends_a_call_elsewhere(
    hostile: Scripted, name: str, awaited: bool, stream: bool
) -> None:
    on_chunk = (lambda chunk: None) if stream else None

    with pytest.raises(ProviderError) as caught:
        if awaited:
            asyncio.run(acomplete(asked(name), HELLO, on_chunk))
        else:
            complete(asked(name), HELLO, on_chunk)

    assert (hostile.posted, hostile.asked) == ([], [])
    if name in KNOWN:
        assert isinstance(caught.value, Unreachable)  # no test leaves this machine


@pytest.mark.parametrize("name", ["openai", "hosted_vllm", "together_ai"])
def test_litellm_alone_would_be_sent_there(hostile: Scripted, name: str) -> None:
    messages = [{"role": "user", "content": "Say hello."}]
    litellm.completion(model=f"{name}/m", messages=messages, api_key="sk-of-a-user")

    assert len(hostile.posted) == 1


@pytest.mark.parametrize("name", ["hosted_vllm", "cerebras", "litellm_proxy"])
def test_an_address_that_only_a_variable_names_is_refused_by_its_name(
    hostile: Scripted, name: str
) -> None:
    with pytest.raises(ModelGone, match=r"the variable \w+_(BASE|URL) says"):
        complete(asked(name), HELLO)


def test_a_family_whose_requests_pass_us_by_needs_an_address(
    hostile: Scripted,
) -> None:
    with pytest.raises(ModelGone, match="give it a `base_url`"):
        complete(asked("azure"), HELLO)


def test_the_yamls_address_is_served_whatever_the_variables_are(
    hostile: Scripted,
) -> None:
    with serving() as own:
        for name in ("openai", "mistral", "groq", "together_ai", "hosted_vllm"):
            by = provider("p", base_url=own.url)
            try:
                complete(deployment("m", by, model=f"{name}/m"), HELLO)
            except BadAnswer:
                """Not every family takes what the scripted server sends."""

    assert len(own.posted) == 5
    assert hostile.posted == []


@pytest.mark.parametrize("name", KNOWN)
def test_a_known_family_has_an_address_of_its_own(name: str) -> None:
    assert (address(asked(name)) or "").startswith(family(name).base_url or "?")
