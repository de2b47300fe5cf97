"""An attempt ends once, however it ends: one settlement, one row in the journal."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from building import DEAR, deployment, provider, role, settings
from crew.calls.llm import TieredLLM
from crew.calls.run import Run
from crew.clock import SystemClock
from crew.errors import BadAnswer, Overloaded, RateLimited, RunFailed
from crew.guard import QuotaGuard
from crew.journal import Journal
from crew.providers.answer import Answer
from crew.quota.reported import ReportedUsage
from crew.quota.store import Reservation
from crew.quota.stores.memory import MemoryStore

USER = [{"role": "user", "content": "Say hello."}]
HELLO = Answer(
    text="hello", tool_calls=(), finish_reason="stop", id="a", usage=None, headers={}
)


class CountingStore(MemoryStore):
    """A store that knows how often each reservation was settled."""

    def __init__(self) -> None:
        super().__init__(SystemClock())
        self.made: list[str] = []
        self.settled: list[str] = []

    def reserve(self, *args: Any, **fields: Any) -> Any:
        made = super().reserve(*args, **fields)
        if isinstance(made, Reservation):
            self.made.append(made.id)
        return made

    def settle(self, reservation: Any, *args: Any, **fields: Any) -> bool:
        changed = super().settle(reservation, *args, **fields)
        self.settled += [reservation.id] if changed else []
        return changed


class ScriptedTransport:
    """Does one thing after another in place of calls to providers."""

    def __init__(self, *steps: Callable[[], Answer]) -> None:
        self.steps = list(steps)

    def complete(self, *_: Any, on_sent: Callable[[], None], **__: Any) -> Answer:
        on_sent()
        return self.steps.pop(0)()

    async def acomplete(self, *args: Any, **fields: Any) -> Answer:
        return self.complete(*args, **fields)


class Bench:
    def __init__(self, tmp_path: Path) -> None:
        self.store, clock = CountingStore(), SystemClock()
        chain = [
            deployment(name, provider(f"p-{name}", "9 requests/minute"), price=DEAR)
            for name in ("first", "second")
        ]
        self.journal = Journal.open(tmp_path / "journal.db", clock)
        self.journal.start_run(
            "r1", rehearsal=False, user="ada", team="core", output=tmp_path
        )
        config = settings(chain, tmp_path, roles=[role()], max_wait=0.0)
        self.run = Run(
            id="r1",
            settings=config,
            guard=QuotaGuard(config, self.store, clock),
            journal=self.journal,
            clock=clock,
        )
        self.llm = TieredLLM.bound(self.run, config.roles["coder"])

    def call(self, way: str, *steps: Callable[[], Answer]) -> Any:
        self.run.transport = ScriptedTransport(*steps)
        if way == "sync":
            return self.llm.call(USER)
        return asyncio.run(self.llm.acall(USER))

    def outcomes(self) -> list[tuple[str, str]]:
        return [(c.deployment, c.outcome) for c in self.journal.calls("r1")]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.journal.close()


def failing(error: BaseException) -> Callable[[], Answer]:
    def fail() -> Answer:
        raise error

    return fail


@pytest.mark.parametrize("way", ["sync", "async"])
@pytest.mark.parametrize(
    "error",
    [
        RateLimited("first", status=429, retry_after=9.0),
        Overloaded("first", status=503),
        BadAnswer(
            "first", "empty", charged=ReportedUsage(input_tokens=7, output_tokens=0)
        ),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_failure_and_the_answer_after_it_end_once_each(
    bench: Bench, way: str, error: Exception
) -> None:
    answer = bench.call(way, failing(error), lambda: HELLO)

    assert answer == "hello"
    assert bench.outcomes() == [("first", type(error).__name__), ("second", "ok")]
    assert len(bench.store.made) == 2
    assert sorted(bench.store.settled) == sorted(bench.store.made)


@pytest.mark.parametrize("way", ["sync", "async"])
def test_what_is_no_failure_of_the_provider_passes_and_counts_as_interrupted(
    bench: Bench, way: str
) -> None:
    with pytest.raises(ZeroDivisionError):
        bench.call(way, failing(ZeroDivisionError()))

    assert bench.outcomes() == [("first", "Interrupted")]
    assert bench.store.settled == bench.store.made


@pytest.mark.parametrize("way", ["sync", "async"])
@pytest.mark.parametrize("fails", [False, True])
def test_an_attempt_that_was_interrupted_comes_back_in_vain(
    bench: Bench, way: str, fails: bool
) -> None:
    def interrupted() -> Answer:
        bench.run.interrupt()
        return failing(Overloaded("first", status=503))() if fails else HELLO

    if fails:
        with pytest.raises(RunFailed):
            bench.call(way, interrupted, lambda: HELLO)
    else:
        bench.call(way, interrupted)

    assert bench.outcomes() == [("first", "Interrupted")]
    assert bench.store.settled == bench.store.made


def test_two_threads_that_end_it_end_it_once(bench: Bench) -> None:
    def interrupted() -> Answer:
        bench.run.interrupt()
        bench.run.interrupt()
        return HELLO

    bench.call("sync", interrupted)

    assert bench.outcomes() == [("first", "Interrupted")]
