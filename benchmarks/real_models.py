"""Real small models on real tasks, proved by real tests: a ladder, and its premium.

    python benchmarks/real_models.py SMALL LARGE PROBLEMS [--tasks N] [--seed S]

SMALL and LARGE are base URLs of OpenAI's protocol, up to /v1; PROBLEMS is
HumanEval.jsonl.gz of openai/human-eval. Each problem becomes a git repository with a
stub and its tests, and a crew works on it: once by the ladder (SMALL, then LARGE),
once by LARGE alone. Results are kept in --work as they come; a second start goes on.
"""

import argparse
import gzip
import json
import os
import random
import sqlite3
import subprocess
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterable, Sequence
from decimal import Decimal
from math import sqrt
from pathlib import Path
from typing import Any

from tables import table

from crew import kickoff
from crew.errors import CrewError

PRICES = {"small": Decimal("0.05"), "large": Decimal("0.25")}
"""Notional: US dollars for a million tokens, in and out."""
ARMS = ("ladder", "premium")
STATUSES = ("proved", "passed", "unproved", "failed", "broken")
BROKEN = "broken"
"""A crash, no record, or one that does not fit how the run ended: a bug of ours."""

AGENTS = """\
coder:
  role: Software engineer
  goal: Write correct code in the file that is named.
  backstory: You change files with your tools.
  tier: {tier}
  kind: coding
  tools: [read_file, write_file, run_checks]
  temperature: 0
  max_tokens: 640
  max_iter: 10
"""
TASKS = """\
process: sequential
code:
  description: "{request}"
  expected_output: One sentence that says what was changed.
  agent: coder
  gates: [changed, {check: test}]
"""
PROVIDERS = """\
providers:
  small: {{local: true, base_url: "{small}", timeout: 10m, limits: 1 concurrent}}
  large: {{local: true, base_url: "{large}", timeout: 10m, limits: 1 concurrent}}
deployments:
  small: &model
    provider: small
    model: openai/local
    price: {{input: {cheap}, output: {cheap}}}
    context_window: 8192
    max_output: 768
    tools: false
    vision: false
  large:
    <<: *model
    provider: large
    price: {{input: {dear}, output: {dear}}}
"""
TIERS = """\
tiers:
  cheap: {chain: [small], then: premium}
  premium: [large]
ladder: {premium: premium, attempt_limit: 8}
max_wait: 15m
max_calls: 40
deadline: 40m
"""
INPUTS = """\
request: nothing
repositories: []
checks: {{test: "{python} -m pytest -q -p no:cacheprovider tests"}}
sandbox: {{time: 30s}}
"""


def configure(directory: Path, arm: str, small: str, large: str) -> None:
    """The YAML of one arm."""
    directory.mkdir(parents=True, exist_ok=True)
    tier = "cheap" if arm == "ladder" else "premium"
    texts = {
        "agents": AGENTS.format(tier=tier),
        "tasks": TASKS,
        "providers": PROVIDERS.format(
            small=small, large=large, cheap=PRICES["small"], dear=PRICES["large"]
        ),
        "tiers": TIERS,
        "inputs": INPUTS.format(python=sys.executable),
    }
    for name, text in texts.items():
        (directory / f"{name}.yaml").write_text(text, encoding="utf-8")


def repository(directory: Path, problem: dict[str, str]) -> None:
    """A git repository with the stub of a problem and its tests."""
    name = problem["entry_point"]
    stub = problem["prompt"].rstrip() + "\n    raise NotImplementedError\n"
    tests = (
        f"from {name} import *\nfrom {name} import {name}\n{problem['test']}\n\n"
        f"def test_{name}():\n    check({name})\n"
    )
    (directory / "tests").mkdir(parents=True)
    (directory / f"{name}.py").write_text(stub, encoding="utf-8")
    (directory / "tests" / f"test_{name}.py").write_text(tests, encoding="utf-8")
    git(directory, "init", "-q", "-b", "main")
    git(directory, "add", "-A")
    git(directory, "-c", "user.name=bench", "-c", "user.email=bench@localhost",
        "commit", "-q", "-m", "Add a stub")  # fmt: skip


def git(directory: Path, *arguments: str) -> str:
    return subprocess.run(
        ["git", *arguments], cwd=directory, check=True, capture_output=True, text=True
    ).stdout


def request(name: str) -> str:
    return (
        f"Implement the function {name} in {name}.py, as its docstring says. Its tests "
        f"are in tests/test_{name}.py; do not change them."
    )


def run(work: Path, arm: str, problem: dict[str, str]) -> dict[str, Any]:
    """One run of the crew on one problem; what it came to, as JSON values."""
    name = problem["entry_point"]
    place = work / arm / name
    repo = place / name
    repository(repo, problem)
    os.environ["CREW_STATE_DIR"] = str(work / arm / "state")
    said: list[str] = []
    began, crash = time.monotonic(), ""
    try:
        kickoff(
            request=request(name),
            repositories=[repo],
            config=work / arm / "config",
            output=place / "output",
            listener=said.append,
        )
        ended = "done"
    except CrewError as exc:
        ended = "failed"
        said.append(str(exc))
    except Exception:  # a crash of ours is what is looked for
        ended, crash = "crashed", traceback.format_exc()
    seconds = time.monotonic() - began
    (place / "said.txt").write_text("\n".join([*said, crash]), encoding="utf-8")
    return {
        "problem": problem["task_id"],
        "arm": arm,
        "ended": ended,
        "seconds": round(seconds),
        **judged(place, ended, work / arm / "state"),
    }


def judged(place: Path, ended: str, state: Path) -> dict[str, Any]:
    """What the record says, and whether it agrees with how the run ended."""
    try:
        (path,) = place.glob("output/*/run.json")
        record = json.loads(path.read_text(encoding="utf-8"))
        task = record["tasks"][0]
    except (ValueError, LookupError):
        return {"status": BROKEN, "calls": [], "changed": [], "attempts": []}
    status = task["status"] if task["status"] in STATUSES else BROKEN
    if (ended == "done") != (status in ("proved", "passed", "unproved")):
        status = BROKEN
    calls = [
        {
            "deployment": call["deployment"], "outcome": call["outcome"],
            "tokens": call["input_tokens"] + call["output_tokens"],
            "usd": call["cost_usd"], "seconds": call["seconds"],
        }
        for call in record["calls"]
    ]  # fmt: skip
    known = record["workspace"]["repositories"]
    changed = [one["path"] for one in known[0]["changed"]] if known else []
    return {
        "run": record["run"], "status": status, "calls": calls, "changed": changed,
        "tampered": any(path.startswith("tests/") for path in changed),
        "outside": sorted(set(changed) - {f"{place.name}.py"}),
        "error": (record.get("error") or "")[:300],
        "attempts": attempts(state, record["run"]),
    }  # fmt: skip


def attempts(state: Path, run_id: str) -> list[dict[str, Any]]:
    """The attempts of a run, by the journal."""
    with sqlite3.connect(state / "journal.db") as db:
        db.row_factory = sqlite3.Row
        rows = db.execute("SELECT * FROM attempt WHERE run = ? ORDER BY id", (run_id,))
        keys = ("step", "deployment", "gate", "verdict", "fed_back", "cut_off", "calls")
        return [{key: row[key] for key in keys} for row in rows]


def wilson(hits: int, of: int) -> str:
    """A share with its 95 % interval."""
    if not of:
        return "-"
    z, p = 1.96, hits / of
    middle = (p + z * z / (2 * of)) / (1 + z * z / of)
    half = z * sqrt(p * (1 - p) / of + z * z / (4 * of * of)) / (1 + z * z / of)
    low, high = max(0.0, middle - half), min(1.0, middle + half)
    return f"{hits}/{of} ({low:.0%} to {high:.0%})"


def shown(one: dict[str, Any]) -> list[str]:
    tried = one["attempts"]
    served = Counter(call["deployment"] for call in one["calls"])
    passed = [at["step"] for at in tried if at["verdict"] == "passed"]
    told = " (told)" if passed and tried[-1]["fed_back"] else ""
    return [
        one["problem"].removeprefix("HumanEval/"), one["arm"],
        one["status"] + (" TESTS CHANGED" if one.get("tampered") else ""),
        passed[-1] + told if passed else "-",
        " ".join(f"{at['step']}:{at['gate'] or '-'}" for at in tried
                 if at["verdict"] != "passed") or "-",
        f"{served['small']}+{served['large']}", str(one["seconds"]),
        f"{sum(call['tokens'] for call in one['calls']):,}",
    ]  # fmt: skip


def totals(results: Sequence[dict[str, Any]]) -> list[list[str]]:
    """The sums of each arm, over the problems that both have."""
    both = set.intersection(
        *({one["problem"] for one in results if one["arm"] == arm} for arm in ARMS)
    )
    lines = []
    for arm in ARMS:
        of = [one for one in results if one["arm"] == arm]
        for label, own in (
            (arm, of),
            (f"{arm}, in both", [one for one in of if one["problem"] in both]),
        ):
            lines.append([label, *_sums(own)])
    return lines


def _sums(own: Sequence[dict[str, Any]]) -> list[str]:
    calls = [call for one in own for call in one["calls"]]
    proved = [one for one in own if one["status"] == "proved"]
    honest = [one for one in proved if not one["tampered"]]
    cheap = [one for one in honest if not _used(one, "large")]
    large = [call for call in calls if call["deployment"] == "large"]
    usd, dear = _usd(calls), _usd(large)
    return [
        wilson(len(honest), len(own)), wilson(len(cheap), len(own)),
        str(len(proved) - len(honest)),
        str(sum(one["status"] == BROKEN for one in own)),
        f"{len(large) / max(1, len(calls)):.0%}",
        f"{dear / usd:.0%}" if usd else "-",
        f"{usd * 1000:.3f}", f"{usd * 1000 / max(1, len(honest)):.4f}",
        f"{sum(one['seconds'] for one in own) / max(1, len(own)):.0f}",
    ]  # fmt: skip


def _used(one: dict[str, Any], deployment: str) -> bool:
    return any(call["deployment"] == deployment for call in one["calls"])


def _usd(calls: Iterable[dict[str, Any]]) -> float:
    return sum(float(call["usd"] or 0) for call in calls)


def report(results: Sequence[dict[str, Any]]) -> None:
    heads = ["problem", "arm", "status", "passed by", "refused", "calls", "s", "tokens"]
    table(heads, [shown(one) for one in results])
    if {one["arm"] for one in results} == set(ARMS):
        heads = ["", "proved", "without the premium", "tests changed", "broken",
                 "calls of the premium", "money of the premium", "usd/1000",
                 "per proved", "s a run"]  # fmt: skip
        table(heads, totals(results))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("small")
    parser.add_argument("large")
    parser.add_argument("problems", type=Path)
    parser.add_argument("--tasks", type=int, default=20)
    parser.add_argument("--seed", type=int, default=12)
    parser.add_argument("--minutes", type=float, default=1e9)
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=ARMS)
    parser.add_argument("--work", type=Path, default=Path("real_models"))
    return parser.parse_args()


def main() -> None:
    given = arguments()
    work = given.work.resolve()
    until = time.monotonic() + given.minutes * 60
    with gzip.open(given.problems, "rt", encoding="utf-8") as file:
        problems = [json.loads(line) for line in file]
    chosen = random.Random(given.seed).sample(problems, given.tasks)
    for arm in ARMS:
        configure(work / arm / "config", arm, given.small, given.large)
    kept = work / f"results-{'-'.join(given.arms)}.jsonl"
    kept.touch()
    done = {
        (one["problem"], one["arm"])
        for one in map(json.loads, kept.read_text(encoding="utf-8").splitlines())
    }
    for problem in chosen:
        for arm in given.arms:
            late = time.monotonic() > until
            if late or (problem["task_id"], arm) in done:
                continue
            result = run(work, arm, problem)
            with kept.open("a", encoding="utf-8") as file:
                file.write(json.dumps(result) + "\n")
            print(*shown(result), flush=True)
    lines = [
        line
        for path in sorted(work.glob("results-*.jsonl"))
        for line in path.read_text(encoding="utf-8").splitlines()
    ]
    report([json.loads(line) for line in lines])


if __name__ == "__main__":
    main()
