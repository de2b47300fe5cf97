"""The day of `team_day.py` on litellm's Router, beside ours.

    uv run python benchmarks/team_day_router.py TRACE.csv.gz [--load 1] [--seconds 60]

The same calls and the same judge. The Router's cooldowns follow the machine's time, so
the ten hours pass in real time, so many times as fast, and its cooldown of a minute is
as much shorter. Models of a tier are one group, weighted by their requests a minute; a
refusal goes on to the next group (`fallbacks`), with no retries, as those would pause.
No network: the calls end at a provider in this process, which asks the judge.
"""

import argparse
import heapq
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import team_day
from tables import table
from team_day import MID, MODELS, Arrival, Judge

import crew  # noqa: F401  first: it keeps litellm off the network

# isort: split
import litellm

COOLDOWN_SECONDS = 60.0
PER_MINUTE = {"router": 20, "thousand": 20, "google": 10, "quick": 30}
"""The requests a minute that the Router is told, of free models."""
GROUPS = {
    "free": [name for name, one in MID.items() if one.price == ("0", "0")],
    "cheap": [name for name, one in MID.items() if one.price != ("0", "0")],
    "opus": ["opus"],
    "sonnet": ["sonnet"],
}
FALLBACKS = [
    {"free": ["cheap", "opus", "sonnet"]},
    {"cheap": ["opus", "sonnet"]},
    {"opus": ["sonnet"]},
]


@dataclass(slots=True)
class Provider(litellm.CustomLLM):  # type: ignore[misc]
    """Answers at once what the judge lets pass."""

    judge: Judge
    pace: float
    began: float = 0.0
    arrival: Arrival | None = None
    served: list[tuple[Arrival, str]] = field(default_factory=list)
    refused: int = 0
    _ends: list[tuple[float, int, str, int, float]] = field(default_factory=list)

    def now(self) -> float:
        return team_day.MORNING + (time.perf_counter() - self.began) * self.pace

    def end_calls(self) -> None:
        """Count what was written by now."""
        while self._ends and self._ends[0][0] <= self.now():
            at, _, name, tokens, arrived = heapq.heappop(self._ends)
            self.judge.answer(name, tokens, arrived, at)

    def completion(self, *args: Any, **given: Any) -> Any:
        name, one, now = given["model"], self.arrival, self.now()
        assert one is not None
        self.end_calls()
        if not self.judge.ask(name, one.input_tokens, now):
            self.refused += 1
            raise litellm.RateLimitError("full", model=name, llm_provider="day")
        model = MODELS[name]
        end = now + one.noise * (model.first + one.output_tokens / model.speed)
        entry = (end, len(self.served), name, one.output_tokens, now)
        heapq.heappush(self._ends, entry)
        self.served.append((one, name))
        answer = given["model_response"]
        answer.choices[0].message.content = "done"
        return answer

    async def acompletion(self, *args: Any, **given: Any) -> Any:
        return self.completion(*args, **given)


def router(pace: float) -> litellm.Router:
    """A Router for the models of the day."""
    return litellm.Router(
        model_list=[
            {
                "model_name": group,
                "litellm_params": {
                    "model": f"day/{name}",
                    "api_key": "sk-none",
                    "rpm": PER_MINUTE.get(MODELS[name].provider, 500),
                },
            }
            for group, names in GROUPS.items()
            for name in names
        ],
        num_retries=0,
        fallbacks=FALLBACKS,
        cooldown_time=COOLDOWN_SECONDS / pace,
    )


def day(calls: Sequence[Arrival], seconds: float) -> tuple[Provider, int, float]:
    """The provider after the day, how many calls failed, and the longest delay of an
    arrival, in seconds of the day."""
    pace = team_day.WORKING_SECONDS / seconds
    provider = Provider(Judge(team_day.configured("priority", "")), pace)
    litellm.custom_provider_map = [{"provider": "day", "custom_handler": provider}]
    routes, failed, late = router(pace), 0, 0.0
    messages = [{"role": "user", "content": "work"}]
    provider.arrival = calls[0]
    routes.completion(model="sonnet", messages=messages)  # litellm imports the rest
    provider.served.clear()
    provider.began = time.perf_counter()
    for one in calls:
        time.sleep(max(0.0, (one.at - provider.now()) / pace))
        late = max(late, provider.now() - one.at)
        provider.arrival = one
        group = "opus" if one.job.tier == "senior" else "free"
        try:
            routes.completion(model=group, messages=messages)
        except litellm.RateLimitError:
            failed += 1
    return provider, failed, late


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("trace", type=Path)
    parser.add_argument("--load", type=float, default=1)
    parser.add_argument("--seconds", type=float, default=60)
    given = parser.parse_args()
    litellm.suppress_debug_info = True
    for name in ("LiteLLM", "LiteLLM Router"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    calls = team_day.arrivals(given.trace, given.load)
    provider, failed, late = day(calls, given.seconds)
    share, money, cost, whole = team_day.shares(calls, provider.served)
    table(
        ("load", "calls", "free calls", "free money", "usd", "of all-premium",
         "refusals", "failed", "latest arrival, s of the day"),
        [[f"{given.load:g}", str(len(calls)), share, money, cost, whole,
          str(provider.refused), str(failed), f"{late:.0f}"]],
    )  # fmt: skip


if __name__ == "__main__":
    main()
