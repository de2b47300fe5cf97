"""Our client of benchmarks/swap.py: a TieredLLM with its run, store and journal."""

from dataclasses import replace
from typing import Any

from crewai.events.event_bus import crewai_event_bus
from crewai.events.event_listener import EventListener
from crewai.events.types.llm_events import LLMStreamChunkEvent
from noting_server import FINE
from swap_clients import (
    FAMILIES,
    FAULTS,
    MESSAGES,
    MODELS,
    SECONDS,
    Client,
    Clients,
    Order,
    Places,
    Sample,
    Stand,
    bare,
    following,
)

import crew.providers.transport as transport
from crew.calls.llm import TieredLLM
from crew.calls.run import Run
from crew.clock import SystemClock
from crew.guard import QuotaGuard
from crew.journal import Journal
from crew.providers.prompt import Prompt
from crew.providers.transport import Answer
from crew.quota.stores import open_store
from crew.settings import Deployment, Settings
from crew.settings.loader import load_settings

_HOUR = 3_600.0


class SkippingClock(SystemClock):
    """The machine's time, and what was skipped: the cooldown after a failure lasts
    longer than a benchmark."""

    skipped = 0.0

    def now(self) -> float:
        return super().now() + self.skipped


def configured(places: Places) -> Settings:
    """One deployment of each family that works and one for each way to fail, under
    five limits of three pools, and a role whose chain begins with each."""
    lines = ["providers:"]
    for family in FAMILIES:
        lines += [
            f"  {family}:",
            f"    {{api_key: '${{KEY}}', timeout: {SECONDS:g}s, limits: "
            "[10M requests/minute, 900B input_tokens/minute]}",
        ]
    lines.append("deployments:")
    tiers, roles = ["tiers:"], []
    for family in FAMILIES:
        for fault in (FINE, *FAULTS):
            name = f"{family}-{fault}"
            lines += [
                f"  {name}:",
                f"    {{provider: {family}, model: '{family}/{MODELS[family]}', "
                "price: {input: 1, output: 2}, context_window: 100_000, limits: "
                "[900B output_tokens/minute, 10M requests/day @ UTC]}",
            ]
            tiers.append(f"  from-{name}: [{name}, {following(family)}-{FINE}]")
            roles.append(
                f"{name}: {{role: {name}, goal: g, backstory: b, tier: from-{name}}}"
            )
    tiers += ["max_wait: 0s", "max_calls: 1_000_000", "budgets: [1M usd/month @ UTC]"]
    task = f"description: d, expected_output: t, agent: {FAMILIES[0]}-{FINE}"
    written = {
        "providers": lines,
        "tiers": tiers,
        "agents": roles,
        "tasks": ["process: sequential", f"test: {{{task}}}"],
    }
    for name, text in written.items():
        path = places.directory / f"{name}.yaml"
        path.write_text("\n".join(text) + "\n", encoding="utf-8")
    environ = {"KEY": "none", "CREW_STATE_DIR": str(places.directory / "state")}
    settings = load_settings(places.directory, environ=environ)
    deployments = {
        name: _placed(deployment, places)
        for name, deployment in settings.deployments.items()
    }
    return replace(settings, deployments=deployments)


def _placed(deployment: Deployment, places: Places) -> Deployment:
    family, _, fault = deployment.name.partition("-")
    return replace(deployment, base_url=places.base_url(family, fault))


def ours(places: Places, *, name: str, store_url: str | None = None) -> Clients:
    """A TieredLLM for each role, on the default store or another."""
    EventListener().formatter.verbose = False  # as a crew does when it starts
    stand, settings, clock = Stand(places), configured(places), SkippingClock()
    _mark_first_events(stand)
    run = _opened(settings, store_url or settings.store_url, clock, stand)
    return {name: _client(stand, run, clock)}


def beside(places: Places) -> Clients:
    """litellm alone, as it is where CrewAI and our transport are imported, too."""
    return {"litellm beside crew": bare(Stand(places))["litellm"]}


class _Marking:
    """The transport, which notes when it gives the first words of a stream on."""

    def __init__(self, stand: Stand) -> None:
        self._stand = stand

    def complete(
        self, deployment: Deployment, prompt: Prompt, on_chunk: Any = None, **more: Any
    ) -> Answer:
        return transport.complete(deployment, prompt, self._marked(on_chunk), **more)

    async def acomplete(
        self, deployment: Deployment, prompt: Prompt, on_chunk: Any = None, **more: Any
    ) -> Answer:
        return await transport.acomplete(
            deployment, prompt, self._marked(on_chunk), **more
        )

    def _marked(self, on_chunk: Any) -> Any:
        def marked(chunk: Any) -> None:
            if chunk.choices and chunk.choices[0].delta.content:
                self._stand.mark("chunk")
            on_chunk(chunk)

        return marked if on_chunk else None


def _mark_first_events(stand: Stand) -> None:
    """Note when a listener of CrewAI's event has the first words."""

    @crewai_event_bus.on(LLMStreamChunkEvent)
    def heard(source: object, event: LLMStreamChunkEvent) -> None:
        stand.mark("heard")


def _opened(
    settings: Settings, store_url: str, clock: SkippingClock, stand: Stand
) -> Run:
    """A run on our clock: `Run.open` would take the machine's."""
    journal = Journal.open(settings.state_dir / "journal.db", clock)
    run = Run(
        id=f"on {store_url.partition(':')[0]}",
        settings=settings,
        guard=QuotaGuard(settings, open_store(store_url, clock), clock),
        journal=journal,
        clock=clock,
        transport=_Marking(stand),
    )
    output = settings.state_dir
    journal.start_run(run.id, rehearsal=False, user="u", team="t", output=output)
    return run


def _client(stand: Stand, run: Run, clock: SkippingClock) -> Client:
    llms = {n: TieredLLM.bound(run, role) for n, role in run.settings.roles.items()}

    def call(order: Order) -> Sample:
        llm = llms[f"{order.family}-{order.fault}"]
        llm.stream = order.stream
        found = stand.take(
            order, lambda: llm.call(MESSAGES), lambda: llm.acall(MESSAGES)
        )
        if order.fault != FINE:
            clock.skipped += _HOUR
        return found

    return call
