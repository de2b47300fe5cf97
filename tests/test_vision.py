"""The vision analyst's chain: a proxy where there is one, Together, OpenRouter, and a
paid model, each when those before it do not answer."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from PIL import Image

from crew.calls.llm import TieredLLM
from crew.calls.run import Run
from crew.images.image import data_url
from crew.runs.rehearsal import rehearsing
from crew.settings import Settings
from crew.settings.loader import load_settings
from loopback import http

CONFIG = Path(__file__).parents[1] / "config"
CHAIN = (
    "[llama-vision, minimax-free, gemini-flash, gemma-free, groq-qwen, claude-sonnet]"
)
PROXY = "  proxy: { api_key: '${LITELLM_PROXY_KEY}' }\n"
VISION_PROXY = """
  vision-proxy:
    provider: proxy
    model: openai/vision
    price: { input: 0.39, output: 0.97 }
    context_window: 100_000
    max_output: 8_000
    vision: true
"""


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    directory = tmp_path_factory.mktemp("proxied") / "config"
    shutil.copytree(CONFIG, directory)
    providers = directory / "providers.yaml"
    text = providers.read_text("utf-8")
    text = text.replace("\nproviders:\n", f"\nproviders:\n{PROXY}", 1)
    providers.write_text(text + VISION_PROXY, "utf-8")
    tiers = directory / "tiers.yaml"
    text = tiers.read_text("utf-8")
    assert text.count(CHAIN) == 2  # of the tier, and of the rule for the kind of work
    tiers.write_text(text.replace("[llama-vision", "[vision-proxy, llama-vision"))
    with rehearsing(load_settings(directory, environ={})) as settings:
        yield settings


@pytest.fixture
def order(played: Settings) -> Callable[..., None]:
    address = httpx.URL(played.deployments["llama-vision"].base_url or "")
    http.post(address.copy_with(path="/_control/reset")).raise_for_status()

    def give(provider: str, fault: str) -> None:
        order = {"provider": provider, "fault": fault, "times": 9}
        faults = address.copy_with(path="/_control/faults")
        http.post(faults, json=order).raise_for_status()

    return give


def look(played: Settings, tmp_path: Path) -> tuple[str, list[tuple[str, str]]]:
    """What the analyst sees, and who was asked with which outcome."""
    Image.new("RGB", (30, 20)).save(tmp_path / "a.png")
    image = {"url": data_url((tmp_path / "a.png").read_bytes())}
    content = [
        {"type": "text", "text": "What is it?"},
        {"type": "image_url", "image_url": image},
    ]
    own = replace(played, state_dir=tmp_path)
    run = Run.open(own, output=tmp_path, run_id="r1")
    try:
        llm = TieredLLM.bound(run, played.roles["vision_analyst"])
        seen = llm.call([{"role": "user", "content": content}])
        return seen, [(one.deployment, one.outcome) for one in run.journal.calls("r1")]
    finally:
        run.close()


BROKEN = [
    ("vision-proxy", "proxy", "bad_gateway", "Overloaded"),
    ("llama-vision", "together_ai", "rate_limit", "RateLimited"),
    ("minimax-free", "openrouter", "capacity", "Overloaded"),
    ("gemini-flash", "gemini", "unauthorized", "BadKey"),
]


@pytest.mark.parametrize("down", range(len(BROKEN) + 1))
def test_the_analyst_sees_with_whoever_is_left_of_the_chain(
    played: Settings,
    order: Callable[..., None],
    tmp_path: Path,
    down: int,
) -> None:
    for _, provider, fault, _ in BROKEN[:down]:
        order(provider, fault)
    # Without its key, Gemini's other model is left out as well.
    served = [*(name for name, *_ in BROKEN), "groq-qwen"][down]

    seen, calls = look(played, tmp_path)

    assert "PNG image of 30x20" in seen
    left = [(name, outcome) for name, *_, outcome in BROKEN[:down]]
    assert calls == [*left, (served, "ok")]
