"""A day of a small team: what each strategy serves free, and what it costs.

    uv run python benchmarks/team_day.py AzureLLMInferenceTrace_code.csv.gz [--load 1 3]

Arrivals and sizes are those of a trace, stretched over ten hours; load 10 is the whole
trace, load 1 a random tenth of it. Four users, with a guard each over one store, and
eight roles: two of them go to the premium, the others to free models with daily limits,
then to cheap ones, then to the premium. Two roles are urgent; the others wait up to a
minute for a better model (`patience`).

The day is in process, on a clock by hand: each call is a thread that runs alone, until
it sleeps on that clock. A judge with the emulator's windows, which share no arithmetic
with the guard, counts requests and input when a call arrives and output when the answer
is there, and refuses what does not fit.

Controls on the same calls: `shuffled` asks the models of the tier in random order
through the guard; `no guard` asks them in the order of the YAML, learns of limits by
refusals alone, and leaves a model alone for a minute then; all-premium is the price of
all calls at the first model of the premium. No cache is simulated, and no answer fails:
`measured` gets its pass rates beforehand.
"""

import argparse
import csv
import gzip
import heapq
import itertools
import random
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from statistics import median

from tables import table

from crew.clock import ManualClock
from crew.emulator.windows import Window, open_window
from crew.errors import QuotaExceeded, RateLimited
from crew.guard import QuotaGuard
from crew.journal import ServedCall, Try
from crew.quota.limit_syntax import parse_limit
from crew.quota.limits import Metric
from crew.quota.store import Store
from crew.quota.stores import open_store
from crew.routing import Request
from crew.settings import Deployment, Price, Provider, Settings, Tier
from crew.settings.strategies import STRATEGIES

MORNING = datetime(2026, 11, 24, 8, tzinfo=UTC).timestamp()
WORKING_SECONDS = 10 * 3600.0
WHOLE = 10
"""The load that the whole trace is."""
USERS = ("ada", "ben", "cleo", "dan")
SHUFFLED, NO_GUARD = "shuffled", "no guard"
PATIENCE = 60.0
COOLDOWN_SECONDS = 60.0
"""How long the client without a guard leaves a model alone that refused it."""
TRIES = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What a role does: its tier, how often it calls, and how long it may wait."""

    tier: str = "mid"
    weight: int = 1
    urgent: bool = False


JOBS = {
    "orchestrator": Job(tier="senior", urgent=True),
    "architect": Job(tier="senior"),
    "coder": Job(weight=5),
    "tester": Job(weight=3),
    "reviewer": Job(weight=2),
    "debugger": Job(urgent=True),
    "documenter": Job(weight=2),
    "researcher": Job(),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A deployment: its provider, price per million tokens, the pass rate that was
    measured, seconds to the first token, and tokens a second."""

    provider: str
    price: tuple[str, str] = ("0", "0")
    passes: float
    first: float
    speed: float
    klass: str | None = None


PROVIDERS = {
    "router": (),
    "thousand": ("20 requests/minute", "1000 requests/day @ UTC"),
    "google": (
        "10 requests/minute",
        "250K tokens/minute",
        "250 requests/day @ America/Los_Angeles",
    ),
    "quick": (
        "30 requests/minute",
        "1000 requests/day",
        "12K tokens/minute",
        "100K tokens/day",
    ),
    "cheap": ("200 concurrent",),
    "small": ("500 requests/minute", "200K tokens/minute"),
    "best": ("1000 requests/minute", "2M input_tokens/minute", "400 usd/month @ UTC"),
}
FREE_CLASS = ("20 requests/minute", "50 requests/day @ UTC")
MID = {
    "glm-free": Model(
        provider="router", klass="free", passes=0.60, first=3.0, speed=40
    ),
    "llama-free": Model(
        provider="router", klass="free", passes=0.45, first=2.5, speed=50
    ),
    "qwen-free": Model(provider="thousand", passes=0.55, first=4.0, speed=30),
    "gemini-free": Model(provider="google", passes=0.70, first=1.5, speed=150),
    "llama-quick": Model(provider="quick", passes=0.50, first=0.4, speed=300),
    "deepseek": Model(
        provider="cheap", price=("0.28", "0.42"), passes=0.80, first=2.0, speed=40
    ),
    "mini": Model(
        provider="small", price=("0.25", "2"), passes=0.75, first=1.0, speed=80
    ),
}
SENIOR = {
    "opus": Model(provider="best", price=("5", "25"), passes=0.95, first=2.0, speed=60),
    "sonnet": Model(
        provider="best", price=("3", "15"), passes=0.92, first=1.5, speed=75
    ),
}
MODELS = MID | SENIOR


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """One call: when it comes, whose it is, and its size. `noise` is how far the
    provider's tokenizer and speed are from the usual."""

    at: float
    user: str
    role: str
    input_tokens: int
    output_tokens: int
    noise: float

    @property
    def job(self) -> Job:
        return JOBS[self.role]


def arrivals(path: Path, load: float) -> list[Arrival]:
    """The calls of the day, always the same: a share of the trace."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        rows = [(_moment(row["TIMESTAMP"]), row) for row in csv.DictReader(file) if row]
    start, end = rows[0][0], rows[-1][0]
    chance = random.Random(7)
    kept = sorted(chance.sample(range(len(rows)), round(len(rows) * load / WHOLE)))
    weights = [job.weight for job in JOBS.values()]
    return [
        Arrival(
            at=MORNING + (rows[at][0] - start) / (end - start) * WORKING_SECONDS,
            user=chance.choice(USERS),
            role=chance.choices(list(JOBS), weights)[0],
            input_tokens=int(rows[at][1]["ContextTokens"]),
            output_tokens=int(rows[at][1]["GeneratedTokens"]),
            noise=chance.lognormvariate(0, 0.1),
        )
        for at in kept
    ]


def _moment(text: str) -> float:
    return datetime.fromisoformat(text[:26]).replace(tzinfo=UTC).timestamp()


def configured(strategy: str, user: str) -> Settings:
    """The settings of one user."""
    providers = {
        name: Provider(
            name=name,
            api_key="sk-none",
            limits=tuple(parse_limit(limit) for limit in limits),
            classes={"free": tuple(parse_limit(limit) for limit in FREE_CLASS)}
            if name == "router"
            else {},
        )
        for name, limits in PROVIDERS.items()
    }
    deployments = {
        name: Deployment(
            name=name,
            provider=providers[model.provider],
            model=f"openai/{name}",
            klass=model.klass,
            price=Price(input=Decimal(model.price[0]), output=Decimal(model.price[1])),
        )
        for name, model in MODELS.items()
    }
    named = strategy if strategy in STRATEGIES else "priority"
    return Settings(
        config_dir=Path(),
        state_dir=Path(),
        store_url="memory:",
        user=user,
        team="core",
        providers=providers,
        deployments=deployments,
        tiers={
            "mid": Tier(name="mid", chain=tuple(MID), then="senior", strategy=named),
            "senior": Tier(name="senior", chain=tuple(SENIOR)),
        },
        routing={},
        roles={},
        tasks={},
    )


class Judge:
    """What the providers count: requests and input when a call arrives, output when it
    is answered."""

    def __init__(self, settings: Settings) -> None:
        self._windows: dict[str, tuple[Window, ...]] = {}
        opened: dict[str, tuple[Window, ...]] = {}
        for deployment in settings.deployments.values():
            by = deployment.provider
            key = f"{by.name}/{deployment.klass}"
            if key not in opened:
                limits = by.limits + by.classes.get(deployment.klass or "", ())
                opened[key] = tuple(open_window(limit) for limit in limits)
            self._windows[deployment.name] = opened[key]

    def ask(self, name: str, input_tokens: int, now: float) -> bool:
        """Count a call that arrives, or refuse it."""
        counted = {
            Metric.REQUESTS: 1,
            Metric.CONCURRENT: 1,
            Metric.TOKENS: input_tokens,
            Metric.INPUT_TOKENS: input_tokens,
        }
        windows = self._windows[name]
        amounts = [counted.get(window.limit.metric, 0) for window in windows]
        both = list(zip(windows, amounts, strict=True))
        if not all(window.fits(amount, now) for window, amount in both if amount):
            return False
        for window, amount in both:
            if amount:
                window.charge(amount, now)
        return True

    def answer(self, name: str, output_tokens: int, arrived: float, now: float) -> None:
        """Count what was written; the call is over."""
        for window in self._windows[name]:
            metric = window.limit.metric
            if metric is Metric.CONCURRENT:
                window.refund(1, arrived)
            elif metric in (Metric.TOKENS, Metric.OUTPUT_TOKENS):
                window.charge(output_tokens, now)


class Hands(ManualClock):
    """A clock by hand that many calls sleep on: one runs at a time, and the next to
    wake is whoever's time comes first."""

    def __init__(self) -> None:
        super().__init__(time=MORNING)
        self._due: list[tuple[float, int, Callable[[], object]]] = []
        self._numbers = itertools.count()
        self._handed = threading.Semaphore(0)

    def at(self, moment: float, wake: Callable[[], object]) -> None:
        """Have something done then; it hands the turn back when it sleeps or ends."""
        heapq.heappush(self._due, (moment, next(self._numbers), wake))

    def sleep(self, seconds: float) -> None:
        mine = threading.Semaphore(0)
        self.at(self.time + max(0.0, seconds), mine.release)
        self._handed.release()
        mine.acquire()

    def run(self, calls: Sequence[tuple[float, Callable[[], None]]]) -> None:
        """Let the day pass."""
        done = []
        with ThreadPoolExecutor(max_workers=len(calls) + 1) as threads:
            for moment, call in calls:

                def start(call: Callable[[], None] = call) -> None:
                    done.append(threads.submit(self._one, call))

                self.at(moment, start)
            while self._due:
                moment, _, wake = heapq.heappop(self._due)
                self.time = max(self.time, moment)
                wake()
                self._handed.acquire()
        for one in done:
            one.result()

    def _one(self, call: Callable[[], None]) -> None:
        try:
            call()
        finally:
            self._handed.release()


class Known:
    """The journal of the day, in memory: the calls as they end, and tries that were
    made before."""

    def __init__(self) -> None:
        self.calls: list[ServedCall] = []
        prices = configured("priority", "").deployments
        self._tries = [
            Try(
                deployment=name,
                kind="coding",
                complexity="medium",
                at=MORNING - 3600,
                number=1,
                is_retry=False,
                task_trust="tests",
                trust="tests",
                passed=number < model.passes * TRIES,
                usd=_usd(prices[name], 2_000, 30),
                premium_usd=_usd(prices["opus"], 2_000, 30),
                seconds=model.first + 30 / model.speed,
            )
            for name, model in MODELS.items()
            for number in range(TRIES)
        ]

    def calls_after(self, row: int) -> tuple[int, list[ServedCall]]:
        return len(self.calls), self.calls[row:]

    def tries_after(self, row: int) -> tuple[int, list[Try]]:
        return len(self._tries), self._tries[row:]


def _usd(deployment: Deployment, input_tokens: int, output_tokens: int) -> Decimal:
    price = deployment.price
    return price.cost(input_tokens, output_tokens) if price else Decimal(0)


@dataclass(slots=True)
class Seen:
    """What came of the calls: who served each, and how long it waited for that."""

    served: list[tuple[Arrival, str, float]] = field(default_factory=list)
    refused: int = 0
    failed: int = 0


@dataclass(slots=True)
class Day:
    """One day by one strategy."""

    strategy: str
    clock: Hands
    store: Store
    seen: Seen = field(default_factory=Seen)
    known: Known = field(default_factory=Known)
    judge: Judge = field(init=False)
    guards: dict[str, QuotaGuard] = field(init=False)
    shut: dict[str, float] = field(default_factory=dict)
    chance: random.Random = field(default_factory=lambda: random.Random(11))

    def __post_init__(self) -> None:
        settings = {user: configured(self.strategy, user) for user in USERS}
        self.judge = Judge(settings[USERS[0]])
        self.guards = {
            user: QuotaGuard(one, self.store, self.clock, record=self.known)
            for user, one in settings.items()
        }

    def call(self, arrival: Arrival) -> None:
        """One call from its arrival to its end."""
        unguarded = self.strategy == NO_GUARD
        found = self.blind(arrival) if unguarded else self.guarded(arrival)
        self.seen.failed += not found

    def guarded(self, arrival: Arrival) -> bool:
        """As a role of the crew calls; whether it was served."""
        guard = self.guards[arrival.user]
        request = self.request(arrival, guard)
        attempts = guard.begin(request)
        while True:
            try:
                lease = attempts.acquire()
            except QuotaExceeded:
                return False
            lease.sent()
            name = lease.deployment.name
            if not self.judge.ask(name, arrival.input_tokens, self.clock.now()):
                self.seen.refused += 1
                attempts.failed(lease, RateLimited(name, "the limit is used up"))
                continue
            self.serve(arrival, name)
            lease.settle(
                input_tokens=arrival.input_tokens, output_tokens=arrival.output_tokens
            )
            sent = request.characters or 0
            guard.estimates.learn_output(arrival.role, arrival.output_tokens)
            guard.estimates.learn_input(name, sent, arrival.input_tokens)
            return True

    def request(self, arrival: Arrival, guard: QuotaGuard) -> Request:
        job = arrival.job
        characters = round(4 * arrival.input_tokens * arrival.noise)
        request = Request(
            tier=job.tier,
            input_tokens=max(1, characters // 4),
            output_tokens=guard.estimates.output_tokens(arrival.role),
            role=arrival.role,
            kind="coding",
            complexity="high" if job.tier == "senior" else "medium",
            trust="tests",
            patience=0.0 if job.urgent else PATIENCE,
            characters=characters,
        )
        if self.strategy == SHUFFLED and job.tier == "mid":
            chain = tuple(self.chance.sample(list(MID), len(MID)))
            request = replace(request, chain=chain)
        return request

    def blind(self, arrival: Arrival) -> bool:
        """As a client that knows no limits; whether it was served."""
        names = list(SENIOR) if arrival.job.tier == "senior" else list(MODELS)
        for name in names:
            now = self.clock.now()
            if self.shut.get(name, 0.0) > now:
                continue
            if self.judge.ask(name, arrival.input_tokens, now):
                self.serve(arrival, name)
                return True
            self.seen.refused += 1
            self.shut[name] = now + COOLDOWN_SECONDS
        return False

    def serve(self, arrival: Arrival, name: str) -> None:
        """The provider answers, in its time."""
        began, model = self.clock.now(), MODELS[name]
        self.seen.served.append((arrival, name, began - arrival.at))
        seconds = arrival.noise * (model.first + arrival.output_tokens / model.speed)
        self.clock.sleep(seconds)
        now = self.clock.now()
        self.judge.answer(name, arrival.output_tokens, began, now)
        ended = ServedCall(
            deployment=name,
            input_tokens=arrival.input_tokens,
            seconds=seconds,
            failed=False,
            at=now,
        )
        self.known.calls.append(ended)


def row(load: float, strategy: str, calls: Sequence[Arrival], url: str) -> list[str]:
    """The figures of one day."""
    began, clock = time.perf_counter(), Hands()
    store = open_store(url, clock)
    day = Day(strategy, clock, store)
    clock.run([(one.at, lambda one=one: day.call(one)) for one in calls])
    store.close()
    seen = day.seen
    shared = shares(calls, [(one, name) for one, name, _ in seen.served])
    urgent = sorted(wait for one, _, wait in seen.served if one.job.urgent)
    others = sorted(wait for one, _, wait in seen.served if not one.job.urgent)
    return [
        f"{load:g}",
        strategy,
        str(len(calls)),
        *shared,
        str(seen.refused),
        str(seen.failed),
        f"{median(urgent):.1f} / {_high(urgent):.1f}",
        f"{median(others):.1f} / {_high(others):.1f}",
        f"{time.perf_counter() - began:.0f}",
    ]


def shares(
    calls: Sequence[Arrival], served: Sequence[tuple[Arrival, str]]
) -> list[str]:
    """The share of the calls, and of their price at the premium, that was free; the
    cost in US dollars, and its share of all-premium."""
    deployments = configured("priority", "").deployments

    def usd(name: str, one: Arrival) -> Decimal:
        return _usd(deployments[name], one.input_tokens, one.output_tokens)

    premium = sum(usd("opus", one) for one in calls)
    cost = sum(usd(name, one) for one, name in served)
    free = [one for one, name in served if MODELS[name].price == ("0", "0")]
    return [
        f"{len(free) / len(calls):.0%}",
        f"{sum(usd('opus', one) for one in free) / premium:.0%}",
        f"{cost:.2f}",
        f"{cost / premium:.1%}",
    ]


def _high(ordered: Sequence[float]) -> float:
    return ordered[len(ordered) * 95 // 100]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("trace", type=Path)
    parser.add_argument("--load", type=float, nargs="+", default=[1, 3, 10])
    named = (*STRATEGIES, SHUFFLED, NO_GUARD)
    parser.add_argument("--only", nargs="+", choices=named, default=named)
    parser.add_argument("--store", choices=("memory", "sqlite"), default="memory")
    given = parser.parse_args()
    rows = []
    for load in given.load:
        calls = arrivals(given.trace, load)
        for strategy in given.only:
            with tempfile.TemporaryDirectory() as home:
                url = "memory:"
                if given.store == "sqlite":
                    url = f"sqlite:///{home}/quota.db"
                rows.append(row(load, strategy, calls, url))
    table(
        ("load", "strategy", "calls", "free calls", "free money", "usd",
         "of all-premium", "refusals", "failed", "urgent wait s, median / 95 %",
         "others", "took s"),
        rows,
    )  # fmt: skip


if __name__ == "__main__":
    main()
