"""Enforcement: all limits that apply to a deployment, checked and charged together."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import ceil, inf, isinf

from crew.emulator.windows import Window, open_window
from crew.quota.limits import Limit, Metric
from crew.settings import Deployment, Settings

_NANO_PER_MICRO = 1000
"""A price is in dollars for a million tokens: micro-dollars for one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spend:
    """What one call takes. `nano_usd` is in nano-dollars."""

    input_tokens: int
    output_tokens: int
    nano_usd: int

    def of(self, metric: Metric) -> int:
        """What it takes of a limit on `metric`."""
        match metric:
            case Metric.REQUESTS | Metric.CONCURRENT:
                return 1
            case Metric.TOKENS:
                return self.input_tokens + self.output_tokens
            case Metric.INPUT_TOKENS:
                return self.input_tokens
            case Metric.OUTPUT_TOKENS:
                return self.output_tokens
            case Metric.USD:
                return self.nano_usd


def spend(deployment: Deployment, input_tokens: int, output_tokens: int) -> Spend:
    """The spend of a call; a deployment without a price costs nothing."""
    price = deployment.price
    micro = price.input * input_tokens + price.output * output_tokens if price else 0
    return Spend(
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        nano_usd=ceil(micro * _NANO_PER_MICRO),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Breach:
    """A limit that a call exceeds. `wait` is in seconds; None where nobody says."""

    limit: Limit
    scope: str
    used: int
    need: int
    wait: float | None

    @property
    def impossible(self) -> bool:
        """Whether the call can never pass: it is larger than the limit."""
        return self.need > self.limit.amount


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Where one limit stands, for the headers of an answer."""

    limit: Limit
    left: int
    resets_in: float


@dataclass(slots=True)
class Admission:
    """An admitted call: what it was charged, and what ends with it."""

    charges: Sequence[tuple[Window, int]]
    at: float
    _over: bool = field(default=False)

    def finish(self) -> None:
        """The call is over: it no longer counts as under way. May be repeated."""
        if not self._over:
            self._over = True
            self._refund(Metric.CONCURRENT)

    def cancel(self) -> None:
        """The provider did not serve the call after all: nothing was charged."""
        if not self._over:
            self._over = True
            self._refund(*Metric)

    def _refund(self, *metrics: Metric) -> None:
        for window, amount in self.charges:
            if window.limit.metric in metrics:
                window.refund(amount, self.at)


class Limiter:
    """The windows of all providers, classes and deployments."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._windows: dict[tuple[str, ...], tuple[Window, ...]] = {}
        self.reset()

    def reset(self) -> None:
        """Forget everything that was counted."""
        self._windows = {}
        for provider in self._settings.providers.values():
            self._open((provider.name,), provider.limits)
            for name, limits in provider.classes.items():
                self._open((provider.name, "class", name), limits)
        for deployment in self._settings.deployments.values():
            key = (deployment.provider.name, "deployment", deployment.name)
            self._open(key, deployment.limits)

    def _open(self, key: tuple[str, ...], limits: Sequence[Limit]) -> None:
        self._windows[key] = tuple(open_window(limit) for limit in limits)

    def _scoped(self, deployment: Deployment) -> list[tuple[str, Window]]:
        provider = deployment.provider.name
        keys: list[tuple[str, ...]] = [(provider,)]
        if deployment.klass is not None:
            keys.append((provider, "class", deployment.klass))
        keys.append((provider, "deployment", deployment.name))
        return [
            (key[-1], window) for key in keys for window in self._windows.get(key, ())
        ]

    def admit(
        self, deployment: Deployment, spent: Spend, now: float
    ) -> Admission | tuple[Breach, ...]:
        """Charge all limits, or none: then every limit that was exceeded, the one
        that lasts longest first."""
        windows = self._scoped(deployment)
        breaches = []
        for scope, window in windows:
            need = spent.of(window.limit.metric)
            if need and not window.fits(need, now):
                wait = window.wait(need, now)
                breach = Breach(
                    limit=window.limit,
                    scope=scope,
                    used=round(window.used(now)),
                    need=need,
                    wait=None if isinf(wait) else wait,
                )
                breaches.append(breach)
        if breaches:
            breaches.sort(key=lambda b: inf if b.wait is None else b.wait, reverse=True)
            return tuple(breaches)
        charges = [(window, spent.of(window.limit.metric)) for _, window in windows]
        for window, amount in charges:
            window.charge(amount, now)
        return Admission(charges, now)

    def readings(self, deployment: Deployment, now: float) -> tuple[Reading, ...]:
        """Where the limits of a deployment stand."""
        return tuple(
            Reading(
                limit=window.limit,
                left=max(0, int(window.limit.amount - window.used(now))),
                resets_in=window.resets_in(now),
            )
            for _, window in self._scoped(deployment)
        )
