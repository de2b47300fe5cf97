"""How close the guard comes to the best possible: 2,000 requests under real limits.

    uv run python benchmarks/makespan.py [SPEED]

The requests are of mixed size (200 to 6,000 tokens in, 50 to 2,000 out), some need
vision or tools, and each starts at one of the tiers. 16 threads send them over the
default deployments to the emulator, which enforces the limits of config/ on a clock
that runs SPEED times as fast. Left out are deployments whose limits know no window:
there everything would end at once. Left out are also our own budgets and quotas,
which count days; so minutes decide. A limit per second is taken as one per minute of
the same rate: on a fast clock a request is on its way for a good part of a second.

The best possible is a lower bound, worked out here and not by the guard. Until T a
limit lets through at most what its windows hold: AMOUNT for each window that has
begun, as [0, T] is covered by floor(T / length) + 1 of them (calendar windows are
counted as they begin and end in their zone); a bucket lets through AMOUNT and what it
gained. No schedule is done at T when even requests that may be cut into pieces and
sent in any order to any able deployment do not fit into that. Whether they fit is a
linear program; each set of prices for the limits proves a part of it: when all
requests together cost more at their cheapest deployment than all limits are worth,
they do not fit. So the bound holds however good the prices are, and good prices make
it sharp. It sees all sizes beforehand and gives the small requests to whom counts
tokens, which nobody can who serves them as they come. Therefore the same sum is also
shown for requests that all have the mean size; that is a yardstick and no bound. Both
move in steps, as most windows are minutes: the last one opens and all is done.
"""

import http.client
import json
import random
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from math import floor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import numpy as np

from crew.clock import Clock, ScaledClock
from crew.emulator.process import running
from crew.guard import QuotaGuard
from crew.providers.signals import classify, reported_by_headers
from crew.quota.stores import open_store
from crew.routing import Request
from crew.settings import Deployment, Settings
from crew.settings.loader import load_settings

REQUESTS = 2_000
WORKERS = 16
SPEED = 3.0
SEED = 7
MOST = 1.05
CONFIG = Path(__file__).parents[1] / "config"
SLOWER = {"1 requests/second": "60 requests/minute"}
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC).timestamp()  # no midnight is near
TIERS = {"mid": 6, "senior": 2, "specialist": 1, "vision": 1}
IMAGE = {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}
IMAGE_TOKENS = 85
TOOL = {"type": "function", "function": {"name": "look_up", "parameters": {}}}
TIMEOUT = 30.0


def workload() -> list[Request]:
    """The requests, always the same."""
    chance = random.Random(SEED)
    tiers = chance.choices(list(TIERS), list(TIERS.values()), k=REQUESTS)
    return [
        Request(
            tier=tier,
            input_tokens=chance.randint(200, 6_000),
            output_tokens=chance.randint(50, 2_000),
            vision=tier == "vision",
            tools=chance.random() < 0.4,
        )
        for tier in tiers
    ]


# The best possible. Of a limit, only the values as written are read.


def limits_of(deployment: Deployment) -> list[tuple[str, Any]]:
    """The limits that a call draws on, each with the name of who shares it."""
    provider = deployment.provider
    scopes = {
        f"provider {provider.name}": provider.limits,
        f"class {provider.name} {deployment.klass}": provider.classes.get(
            deployment.klass or "", ()
        ),
        f"deployment {deployment.name}": deployment.limits,
    }
    windowed = [(scope, one) for scope, all_ in scopes.items() for one in all_]
    return [(f"{scope}: {one}", one) for scope, one in windowed if one.unit]


LENGTHS = {"second": 1, "minute": 60, "hour": 3_600, "day": 86_400}


def let_through(limit: Any, seconds: float) -> float:
    """The most that a limit lets through in [0, seconds]."""
    if limit.timezone is not None:
        return float(limit.amount * periods(limit.unit, limit.timezone, seconds))
    length = LENGTHS.get(limit.unit, 31 * 86_400) * limit.count
    if limit.kind == "refilling":
        return float(limit.amount * (1 + seconds / length))
    return float(limit.amount * (floor(seconds / length) + 1))


def periods(unit: str, timezone: str, seconds: float) -> int:
    """How many calendar windows [0, seconds] touches."""
    zone = ZoneInfo(timezone)
    first, last = (datetime.fromtimestamp(NOON + at, zone) for at in (0, seconds))
    if unit == "month":
        return (last.year - first.year) * 12 + last.month - first.month + 1
    if unit == "day":
        return (last.date() - first.date()).days + 1
    length = LENGTHS[unit]
    return floor((NOON + seconds) / length) - floor(NOON / length) + 1


def spent(deployment: Deployment, metric: str, sizes: np.ndarray) -> np.ndarray:
    """What each request takes of a limit; `sizes` are tokens in and out."""
    sent, answered = sizes.T
    match metric:
        case "requests":
            return np.ones(len(sizes))
        case "tokens":
            return sent + answered
        case "input_tokens":
            return sent
        case "output_tokens":
            return answered
        case _:
            price = deployment.price
            assert price is not None
            return 1e3 * (float(price.input) * sent + float(price.output) * answered)


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Requests, deployments, and the limits between them: `takes[d]` is what each
    request takes of the limits `drawn[d]` (numbers into `limits`) at deployment d;
    `able` says which deployments can serve a request, `weights` how many it is."""

    limits: Sequence[Any]
    drawn: Sequence[Sequence[int]]
    takes: Sequence[np.ndarray]
    able: np.ndarray
    weights: np.ndarray


def problem(settings: Settings, requests: Sequence[Request], *, mean: bool) -> Problem:
    deployments = list(settings.deployments.values())
    named = {name: one for each in deployments for name, one in limits_of(each)}
    numbers = {name: number for number, name in enumerate(named)}
    sizes = np.array([[r.input_tokens, r.output_tokens] for r in requests], float)
    able = np.array(
        [
            [(d.vision or not r.vision) and (d.tools or not r.tools) for r in requests]
            for d in deployments
        ]
    )
    weights = np.ones(len(requests))
    if mean:
        sizes, weights = sizes.mean(axis=0, keepdims=True), weights.sum(keepdims=True)
        able = np.ones((len(deployments), 1), bool)
    drawn = [[numbers[name] for name, _ in limits_of(d)] for d in deployments]
    takes = [
        np.array([spent(d, one.metric, sizes) for _, one in limits_of(d)])
        for d in deployments
    ]
    limits = list(named.values())
    return Problem(limits=limits, drawn=drawn, takes=takes, able=able, weights=weights)


def proves_too_short(given: Problem, seconds: float, steps: int = 3_000) -> bool:
    """Whether some prices prove that the requests do not fit into [0, seconds].

    Limits that are asked for too much become dearer, step by step.
    """
    room = np.array([let_through(limit, seconds) for limit in given.limits])
    shares = [
        takes / room[drawn][:, None]
        for takes, drawn in zip(given.takes, given.drawn, strict=True)
    ]
    worth = np.ones(len(room))
    everyone = np.arange(len(given.weights))
    for step in range(steps):
        price = worth / worth.sum()
        costs = np.array(
            [
                price[drawn] @ share
                for drawn, share in zip(given.drawn, shares, strict=True)
            ]
        )
        costs[~given.able] = np.inf
        chosen = costs.argmin(axis=0)
        if costs[chosen, everyone] @ given.weights > 1:
            return True
        load = np.zeros(len(room))
        for number, (drawn, share) in enumerate(zip(given.drawn, shares, strict=True)):
            load[drawn] += share @ (given.weights * (chosen == number))
        worth *= np.exp(0.5 / np.sqrt(step + 1) * load / max(load.max(), 1e-9))
        worth /= worth.max()
    return False


def bound(settings: Settings, requests: Sequence[Request], *, mean: bool) -> float:
    """Seconds before which nobody can be done."""
    given = problem(settings, requests, mean=mean)
    low, high = 0.0, 60.0
    while proves_too_short(given, high):
        low, high = high, 2 * high
    while high - low > 0.25:
        middle = (low + high) / 2
        if proves_too_short(given, middle):
            low = middle
        else:
            high = middle
    return low


# The guard at work.


def rewritten(directory: Path) -> Path:
    """The default configuration with its limits per second written per minute."""
    for path in CONFIG.glob("*.yaml"):
        text = path.read_text(encoding="utf-8")
        for written, instead in SLOWER.items():
            text = text.replace(written, instead)
        (directory / path.name).write_text(text, encoding="utf-8")
    return directory


def bounded(settings: Settings) -> Settings:
    """Only the deployments that a window bounds, and only their limits."""
    kept = {name: d for name, d in settings.deployments.items() if limits_of(d)}
    tiers = {
        name: replace(tier, chain=tuple(n for n in tier.chain if n in kept), limits=())
        for name, tier in settings.tiers.items()
    }
    return replace(
        settings,
        deployments=kept,
        tiers=tiers,
        routing={},
        budgets=(),
        quotas={},
        max_wait=3_600.0,
    )


def played(settings: Settings) -> Settings:
    """The same with a key for every provider."""
    providers = {
        name: replace(one, api_key="none", local=False)
        for name, one in settings.providers.items()
    }
    deployments = {
        name: replace(one, provider=providers[one.provider.name])
        for name, one in settings.deployments.items()
    }
    return replace(settings, providers=providers, deployments=deployments)


def body(request: Request) -> str:
    """A conversation of the request's size, but for the model; the schema is what
    makes the scripted answer as long as it has to be."""
    text = "a" * 4 * (request.input_tokens - IMAGE_TOKENS * request.vision)
    content = [{"type": "text", "text": text}, *([IMAGE] if request.vision else [])]
    schema = {"const": "b" * (4 * request.output_tokens - 2)}
    return json.dumps(
        {
            "messages": [{"role": "user", "content": content}],
            "response_format": {
                "type": "json_schema",
                "json_schema": {"schema": schema},
            },
            **({"tools": [TOOL]} if request.tools else {}),
        }
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    text: str


def post(root: str, deployment: Deployment, rest: str) -> Answer:
    """One call. Plain: what a client library adds to each would be many times as long
    on a clock that runs fast."""
    whole = f'{{"model": "{deployment.name}", {rest[1:]}'
    path = f"/{deployment.provider.name}/v1/chat/completions"
    with closing(
        http.client.HTTPConnection(urlsplit(root).netloc, timeout=TIMEOUT)
    ) as connection:
        connection.request("POST", path, whole.encode())
        answer = connection.getresponse()
        text = answer.read().decode()
        return Answer(status=answer.status, headers=dict(answer.headers), text=text)


@dataclass(slots=True, kw_only=True)
class Crew:
    """Threads that serve requests until none is left."""

    guard: QuotaGuard
    clock: Clock
    root: str
    served: Counter[str] = field(default_factory=Counter)
    refusals: list[str] = field(default_factory=list)
    tokens: Counter[str] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def work(self, requests: Sequence[Request]) -> float:
        """Serve all; returns the seconds that it took on the clock."""
        left = iter(requests)
        together = threading.Barrier(WORKERS + 1)

        def worker() -> None:
            together.wait()
            while True:
                with self._lock:
                    request = next(left, None)
                if request is None:
                    return
                self.serve(request)

        with ThreadPoolExecutor(WORKERS) as threads:
            done = [threads.submit(worker) for _ in range(WORKERS)]
            together.wait()
            began = self.clock.now()
            for one in done:
                one.result()
            return self.clock.now() - began

    def serve(self, request: Request) -> None:
        attempts, rest = self.guard.begin(request), body(request)
        while True:
            lease = attempts.acquire()
            chosen = lease.deployment
            answer = post(self.root, chosen, rest)
            family = chosen.model.partition("/")[0]
            now = self.clock.now()
            if answer.status == 200:
                usage = json.loads(answer.text)["usage"]
                sent, answered = usage["prompt_tokens"], usage["completion_tokens"]
                reported = reported_by_headers(family, answer.headers, now=now)
                lease.settle(
                    input_tokens=sent, output_tokens=answered, reported=reported
                )
                with self._lock:
                    self.served[chosen.name] += 1
                    self.tokens[chosen.name] += sent + answered
                return
            said = f"{chosen.name}: {answer.status} {answer.text[:200]}"
            with self._lock:
                self.refusals.append(said)
            error = classify(
                chosen.name,
                answer.status,
                answer.text,
                answer.headers,
                family=family,
                now=now,
            )
            attempts.failed(lease, error)


@contextmanager
def crew(settings: Settings, speed: float) -> Iterator[Crew]:
    clock = ScaledClock(speed, NOON)
    with running(settings.config_dir, speed=speed, clock=clock) as root:
        store = open_store("memory:", clock)
        guard = QuotaGuard(played(settings), store, clock)
        yield Crew(guard=guard, clock=clock, root=root)


def show(found: Crew, seconds: float, bounds: Mapping[str, float]) -> None:
    print(f"{REQUESTS:,} requests, {sum(found.tokens.values()):,} tokens")
    print(f"{'makespan':<26} {seconds:8.1f} s of the emulator's clock")
    for name, least in bounds.items():
        ratio = seconds / least
        met = "met" if ratio <= MOST else "MISSED"
        print(f"{name:<26} {least:8.1f} s: {ratio:.3f} (at most {MOST}) {met}")
    print(f"refusals by the emulator {len(found.refusals)} (must be 0)")
    for said in found.refusals[:5]:
        print(f"  {said}")
    for name, count in found.served.most_common():
        share = found.tokens[name] / sum(found.tokens.values())
        print(f"  {name:<16} {count:5} requests  {share:6.1%} of the tokens")


def main() -> None:
    """Run once; print the makespan, the bounds, and who served what."""
    speed = float(sys.argv[1]) if len(sys.argv) > 1 else SPEED
    with tempfile.TemporaryDirectory() as name:
        whole, requests = load_settings(rewritten(Path(name))), workload()
        settings = bounded(whole)
        out = sorted(set(whole.deployments) - set(settings.deployments))
        print(f"left out, as no window bounds them: {', '.join(out)}")
        bounds = {
            "best possible": bound(settings, requests, mean=False),
            "the same, all of mean size": bound(settings, requests, mean=True),
        }
        with crew(settings, speed) as found:
            seconds = found.work(requests)
    show(found, seconds, bounds)


if __name__ == "__main__":
    main()
