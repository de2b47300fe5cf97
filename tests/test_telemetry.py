"""OpenTelemetry: what a real receiver gets of a run, and what it does not."""

import gzip
import json
import re
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
)

from configured import SECRET, configure
from crew import kickoff, load_settings
from crew.clock import SystemClock
from crew.journal import Journal
from crew.telemetry import is_on, names
from scripted import Scripted

_VALUES = ("sum", "as_double", "as_int")


@dataclass
class Receiver:
    """An OTLP endpoint on loopback, and what came there."""

    url: str = ""
    spans: list[Any] = field(default_factory=list)
    points: list[tuple[str, dict[str, Any], Any]] = field(default_factory=list)
    bytes: bytes = b""

    def take(self, path: str, body: bytes) -> None:
        self.bytes += body
        if path == "/v1/traces":
            traces = ExportTraceServiceRequest.FromString(body)
            for resource in traces.resource_spans:
                for scope in resource.scope_spans:
                    self.spans += scope.spans
            return
        metrics = ExportMetricsServiceRequest.FromString(body)
        for resource in metrics.resource_metrics:
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    kind = getattr(metric, metric.WhichOneof("data"))
                    self.points += [
                        (metric.name, values(point), point)
                        for point in kind.data_points
                    ]

    def total(self, metric: str, **where: object) -> float:
        """The latest sum of each series of a metric, added up."""
        latest: dict[str, float] = {}
        for name, attributes, point in self.points:
            if name == metric and where.items() <= attributes.items():
                values = (getattr(point, kind, 0) for kind in _VALUES)
                latest[str(sorted(attributes.items()))] = max(values)
        return sum(latest.values())


def values(of: Any) -> dict[str, Any]:
    return {
        one.key: getattr(one.value, one.value.WhichOneof("value"))
        for one in of.attributes
    }


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    found = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            found.take(self.path, body)
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", found.url)
    yield found
    server.shutdown()
    server.server_close()


def test_a_receiver_gets_what_the_journal_has(
    receiver: Receiver, config: Path, server: Scripted
) -> None:
    configure(config, server.url, limits=["900 requests/day"], spare=True)
    server.replies["smith"] = ["429 slow down", "smith did the work."]
    result = kickoff(request="Add pagination, please")
    settings = load_settings(config)
    with Journal.open(settings.state_dir / "journal.db", SystemClock()) as journal:
        recorded = journal.calls(result.run_id)
    calls = [span for span in receiver.spans if span.name.startswith(names.CHAT)]
    found = [values(span) for span in calls]

    assert recorded
    for ours, theirs in (
        ("input_tokens", names.INPUT_TOKENS),
        ("output_tokens", names.OUTPUT_TOKENS),
    ):
        assert sum(one[theirs] for one in found) == sum(
            getattr(call, ours) for call in recorded
        )
    kinds = {"input": "input_tokens", "output": "output_tokens"}
    for kind, ours in kinds.items():
        assert receiver.total(names.TOKENS_METRIC, **{names.TOKEN_TYPE: kind}) == sum(
            getattr(call, ours) for call in recorded
        )
    known = [call.cost_usd for call in recorded if call.cost_usd is not None]
    assert sum(one.get(names.COST, 0) for one in found) == pytest.approx(
        float(sum(known))
    )
    assert receiver.total(names.COST_METRIC) == pytest.approx(float(sum(known)))
    assert receiver.total(names.CALLS_METRIC) == len(recorded)
    assert Counter(one[names.DEPLOYMENT] for one in found) == Counter(
        call.deployment for call in recorded
    )
    assert {one.get(names.ERROR, "ok") for one in found} == {
        call.outcome for call in recorded
    }
    assert "RateLimited" in {call.outcome for call in recorded}
    assert receiver.total(names.REFUSALS_METRIC) == 1
    assert receiver.total(names.SWAPS_METRIC) == 1
    assert any("RateLimited" in str(one.get(names.SWAP_REASON, "")) for one in found)
    left = [
        point.as_double
        for name, _, point in receiver.points
        if name == names.HEADROOM_METRIC
    ]
    assert left
    assert all(0 < one < 1 for one in left)


def test_calls_lie_in_attempts_in_tasks_in_the_run(
    receiver: Receiver, config: Path
) -> None:
    kickoff(request="Add pagination, please")
    by_id = {span.span_id: span for span in receiver.spans}

    def path(span: Any) -> list[str]:
        above = by_id.get(span.parent_span_id)
        here = span.name.split()[0]
        return [*path(above), here] if above is not None else [here]

    paths = {tuple(path(span)) for span in receiver.spans}
    assert (names.INVOKE_WORKFLOW, names.INVOKE_AGENT, "attempt", names.CHAT) in paths
    assert all(one[0] == names.INVOKE_WORKFLOW for one in paths)
    assert len({span.trace_id for span in receiver.spans}) == 1
    for span in receiver.spans:
        above = by_id.get(span.parent_span_id, span)
        assert above.start_time_unix_nano <= span.end_time_unix_nano
        assert span.start_time_unix_nano <= span.end_time_unix_nano


def test_no_prompt_no_answer_and_no_key_is_sent(
    receiver: Receiver, config: Path, server: Scripted
) -> None:
    server.brain = lambda request: "the-words-of-the-model"
    kickoff(request="the-words-of-the-user")

    assert receiver.spans
    for text in (SECRET, "the-words-of-the-model", "the-words-of-the-user"):
        assert text.encode() not in receiver.bytes


def test_a_receiver_that_is_not_there_is_one_notice(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    lines: list[str] = []
    result = kickoff(request="Add pagination", listener=lines.append)

    assert result.raw
    assert sum("telemetry is not delivered" in line for line in lines) <= 1


@pytest.mark.parametrize(
    ("variables", "on"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://127.0.0.1:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": " "}, False),
        (
            {
                "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318",
                "OTEL_SDK_DISABLED": "true",
            },
            False,
        ),
        ({"OTEL_SERVICE_NAME": "shop"}, False),
    ],
)
def test_it_is_on_where_the_standard_variables_name_a_place(
    variables: dict[str, str], on: bool
) -> None:
    assert is_on(variables) is on


def test_the_dashboard_asks_for_metrics_that_exist() -> None:
    """As Prometheus names them: points become underscores, and units an ending."""
    page = Path(__file__).parents[1] / "docs" / "telemetry" / "grafana.json"
    shown = json.loads(page.read_text())["panels"]
    asked = {
        name
        for panel in shown
        for target in panel["targets"]
        for name in re.findall(r"\b(?:crew|gen_ai)_\w+(?=[\[{]|$)", target["expr"])
    }
    known = {
        value.replace(".", "_")
        for name, value in vars(names).items()
        if name.endswith("_METRIC")
    }
    ending = re.compile(r"(_USD|_seconds)?(_total|_bucket|_sum|_ratio)?$")

    assert asked
    assert {ending.sub("", name) for name in asked} <= known
