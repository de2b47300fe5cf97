"""Routing without a gate: how well kind and length tell what a cheap model fails.

    python benchmarks/no_gates.py DATA

DATA holds `routellm_gsm8k_outcomes.csv.gz` and `routellm_mmlu_outcomes.csv.gz`. Scores
are learned on one half of the questions and judged on the other, twenty times over;
the control learns from outcomes that were shuffled among the questions.
"""

import argparse
import csv
import gzip
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from random import Random
from statistics import mean

from tables import table

from crew.journal import Try
from crew.ladder.measuring import measure
from crew.ladder.work import default_complexity

SPLITS = 20
RESAMPLES = 10
"""Of the judged questions of each split, for the interval."""
GROUPS = 10
"""Groups of length, as kinds that somebody might make of it."""


@dataclass(frozen=True, slots=True)
class Question:
    kind: str
    characters: int
    weak: bool
    strong: bool


Score = Callable[[Question], float]
Learn = Callable[[Sequence[Question]], Score]
"""From questions whose outcomes are known to a score: higher for what the cheap model
answers rightly."""


def read(path: Path) -> list[Question]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return [
            Question(
                row.get("subject", ""),
                int(row["characters"]),
                row["weak_right"] == "1",
                row["strong_right"] == "1",
            )
            for row in csv.DictReader(file)
        ]


# What a score may be learned from.


def by_kind(known: Sequence[Question]) -> Score:
    """The share that passed, by the product's own measuring of a kind."""
    tries: dict[str, list[Try]] = defaultdict(list)
    for at, one in enumerate(known):
        tries[one.kind].append(_try(one, at))
    everywhere = mean(one.weak for one in known)
    shares = {kind: measure(few, "tests", len(known)) for kind, few in tries.items()}

    def score(question: Question) -> float:
        found = shares.get(question.kind)
        known_share = found.share if found is not None else None
        return everywhere if known_share is None else float(known_share)

    return score


def _try(one: Question, at: int) -> Try:
    return Try(
        deployment="weak",
        kind=one.kind,
        complexity="medium",
        at=float(at),
        number=1,
        is_retry=False,
        task_trust="tests",
        trust="tests",
        passed=one.weak,
        usd=Decimal(0),
        premium_usd=None,
        seconds=1.0,
    )


def by_plain_share(known: Sequence[Question]) -> Score:
    """The share that passed of each kind, all outcomes alike."""
    outcomes: dict[str, list[bool]] = defaultdict(list)
    for one in known:
        outcomes[one.kind].append(one.weak)
    everywhere = mean(one.weak for one in known)
    shares = {kind: mean(few) for kind, few in outcomes.items()}
    return lambda question: shares.get(question.kind, everywhere)


def by_length(known: Sequence[Question]) -> Score:
    """The share that passed of questions about as long."""
    lengths = sorted(one.characters for one in known)
    bounds = [lengths[len(lengths) * at // GROUPS] for at in range(1, GROUPS)]

    def group(question: Question) -> str:
        return str(sum(question.characters > bound for bound in bounds))

    share = by_plain_share(
        [Question(group(one), 0, one.weak, one.strong) for one in known]
    )
    return lambda one: share(Question(group(one), 0, one.weak, one.strong))


def shorter(known: Sequence[Question]) -> Score:
    """The shorter the better: nothing is learned."""
    return lambda question: -question.characters


def by_default(known: Sequence[Question]) -> Score:
    """The default for the complexity, of a text of that length: its words are not in
    the data."""
    levels = {"low": 1.0, "medium": 0.0, "high": -1.0}

    def score(question: Question) -> float:
        text = " ".join(["word"] * (question.characters // 5))
        return levels[default_complexity(text).level]

    return score


# How good it is.


def area(scored: Sequence[tuple[float, bool]]) -> float:
    """The area under the curve: how often what passes has the higher score than what
    fails; ties count half."""
    counts: dict[float, list[int]] = defaultdict(lambda: [0, 0])
    for score, passed in scored:
        counts[score][passed] += 1
    below = won = 0.0
    for score in sorted(counts):
        failed, passed_here = counts[score]
        won += passed_here * (below + failed / 2)
        below += failed
    passes = sum(passed for _, passed in scored)
    return won / (passes * below) if passes and below else 0.5


def saved(
    score: Score, known: Sequence[Question], judged: Sequence[Question]
) -> tuple[float, float]:
    """The share of premium calls saved on the judged questions, and what that costs in
    success, by the bound that loses nothing on the known ones."""
    bound = _bound(score, known)
    cheap = [one for one in judged if score(one) >= bound]
    lost = sum(one.strong - one.weak for one in cheap)
    return len(cheap) / len(judged), lost / len(judged)


def _bound(score: Score, known: Sequence[Question]) -> float:
    """The lowest score from which on the cheap model does as well as the premium."""
    groups: dict[float, int] = defaultdict(int)
    for one in known:
        groups[score(one)] += one.strong - one.weak
    lost, found = 0, float("inf")
    for value in sorted(groups, reverse=True):
        lost += groups[value]
        if lost <= 0:
            found = value
    return found


def splits(questions: Sequence[Question]) -> Iterator[tuple[list[Question], ...]]:
    for seed in range(SPLITS):
        order = list(questions)
        Random(seed).shuffle(order)
        half = len(order) // 2
        yield order[:half], order[half:]


def new_kinds(questions: Sequence[Question]) -> Iterator[tuple[list[Question], ...]]:
    """The judged half is of kinds that the known half has not."""
    for seed in range(SPLITS):
        kinds = sorted({one.kind for one in questions})
        Random(seed).shuffle(kinds)
        first = set(kinds[: len(kinds) // 2])
        yield (
            [one for one in questions if one.kind in first],
            [one for one in questions if one.kind not in first],
        )


def shuffled(known: Sequence[Question], seed: int) -> list[Question]:
    """The questions with each other's outcomes."""
    outcomes = [(one.weak, one.strong) for one in known]
    Random(1_000 + seed).shuffle(outcomes)
    pairs = zip(known, outcomes, strict=True)
    return [Question(one.kind, one.characters, *outcome) for one, outcome in pairs]


def row(
    name: str, learn: Learn, halves: Sequence[tuple[list[Question], ...]]
) -> list[str]:
    """One way to score: its area with an interval, the control, what it saves."""
    areas, controls, shares, losses = [], [], [], []
    for seed, (known, judged) in enumerate(halves):
        score = learn(known)
        blind = learn(shuffled(known, seed))
        areas.append(area([(score(one), one.weak) for one in judged]))
        controls.append(area([(blind(one), one.weak) for one in judged]))
        share, loss = saved(score, known, judged)
        shares.append(share)
        losses.append(loss)
    low, high = interval(learn, halves)
    control = "-" if learn in UNLEARNED else f"{mean(controls):.3f}"
    return [
        name,
        f"{mean(areas):.3f} [{low:.3f}, {high:.3f}]",
        control,
        f"{100 * mean(shares):.0f} %",
        f"{100 * mean(losses):+.1f} [{100 * min(losses):+.1f}, "
        f"{100 * max(losses):+.1f}]",
    ]


def interval(
    learn: Learn, halves: Sequence[tuple[list[Question], ...]]
) -> tuple[float, float]:
    """95 % by resampling the judged questions of every split."""
    draw, found = Random(7), []
    for known, judged in halves:
        score = learn(known)
        scored = [(score(one), one.weak) for one in judged]
        found += [area(draw.choices(scored, k=len(scored))) for _ in range(RESAMPLES)]
    found.sort()
    return found[len(found) // 40], found[-1 - len(found) // 40]


UNLEARNED = (shorter, by_default)
"""They have no control: shuffled outcomes teach them nothing else."""
WAYS: Mapping[str, Mapping[str, Learn]] = {
    "gsm8k": {
        "shorter is easier": shorter,
        "share by length": by_length,
        "default complexity": by_default,
    },
    "mmlu": {
        "kind, as measured": by_kind,
        "kind, all outcomes alike": by_plain_share,
        "shorter is easier": shorter,
        "share by length": by_length,
        "default complexity": by_default,
    },
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    data = parser.parse_args().data
    for name, ways in WAYS.items():
        questions = read(data / f"routellm_{name}_outcomes.csv.gz")
        weak, strong = (
            mean(getattr(one, who) for one in questions) for who in ("weak", "strong")
        )
        print(f"\n{name}: {len(questions)} questions, {weak:.3f} and {strong:.3f}")
        halves = list(splits(questions))
        rows = [row(way, learn, halves) for way, learn in ways.items()]
        if name == "mmlu":
            unseen = list(new_kinds(questions))
            rows.append(row("a kind never seen", by_length, unseen))
        heads = ["Score", "Area", "Shuffled", "Saved", "Success lost, points"]
        table(heads, rows)


if __name__ == "__main__":
    main()
