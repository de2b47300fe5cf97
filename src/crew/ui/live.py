"""The live page of one configuration: its sections, its metrics, and their server."""

import socket
from collections.abc import Callable
from contextlib import closing
from functools import partial

from crew.ui import standing
from crew.ui.app import Answers, build_app
from crew.ui.gate import Gate
from crew.ui.keys import keys
from crew.ui.metrics import metrics
from crew.ui.page import Page
from crew.ui.runs import Runs
from crew.ui.server import Server
from crew.ui.sources import Sources
from crew.ui.stream import Section, Stream
from crew.ui.tallies import Tallies

LOOK_SECONDS = 0.5
"""How often somebody looks whether anything is due."""


def serve(
    sources: Sources,
    bound: socket.socket,
    *,
    token: str,
    report: Callable[[str], Page | None],
    ready: Callable[[Server], None] = lambda server: None,
) -> None:
    """Serve on a socket until a signal, or until the server that `ready` gets is
    stopped. `report` makes the page of a run."""
    tallies, runs = Tallies(sources), Runs(sources)
    stream = Stream(
        _sections(sources, tallies, runs),
        sources.clock,
        failed=sources.listener,
    )
    answers = Answers(
        stream=stream,
        report=report,
        metrics=partial(metrics, sources, tallies, runs),
    )
    gate = Gate(
        app=build_app(answers),
        port=bound.getsockname()[1],
        token=token,
        failed=sources.listener,
    )
    server = Server(gate, stream.end)
    with closing(sources), bound:
        server.serve_on(
            bound,
            ready=partial(ready, server),
            beside=partial(stream.work, LOOK_SECONDS),
        )


def _sections(sources: Sources, tallies: Tallies, runs: Runs) -> tuple[Section, ...]:
    """The sections by the names that the script of the page knows them by."""

    def section(name: str, seconds: float, read: Callable[[], object]) -> Section:
        return Section(name=name, seconds=seconds, read=partial(sources.document, read))

    return (
        section("working", 0.0, runs.at_work),
        section("limits", 2.0, partial(standing.limits, sources)),
        section("queue", 1.0, lambda: standing.queue(sources, runs.waits())),
        section("notices", 2.0, partial(standing.notices, sources)),
        section("benches", 2.0, partial(standing.benches, sources)),
        section("month", 5.0, partial(standing.month, sources)),
        section("ended", 1.0, runs.ended),
        # The first look reads every call there is.
        section("keys", 5.0, partial(keys, sources, tallies)),
    )
