"""`crew compare`: deployments side by side, as text and JSON."""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

from crew.journal import AttemptRecord
from crew.reports.amounts import shown_usd
from crew.reports.verdicts import verdicts_of


def comparison_lines(
    names: Sequence[str],
    documents: Sequence[dict[str, Any]],
) -> list[str]:
    """The deployments side by side."""
    rows: list[list[list[str]]] = [[[""], *([name] for name in names)]]
    for key in ("verdict", "gates", "cost", "seconds", "calls", "tokens", "changed"):
        rows.append([[key], *(_cell(key, one) for one in documents)])
    for key in ("branch", "run"):
        rows.append([[key], *([str(one[key] or "-")] for one in documents)])
    widths = [max(len(line) for row in rows for line in row[at]) for at in _range(rows)]
    return [line for row in rows for line in _lines(row, widths)]


def deployment_document(
    deployment: str,
    run: str,
    record: dict[str, Any],
    attempt: AttemptRecord | None,
    *,
    diff: str,
    error: str | None,
) -> dict[str, Any]:
    """What one deployment made of the task, as JSON."""
    tasks = record.get("tasks") or [{}]
    changes = (record.get("workspace") or {}).get("repositories") or []
    counts = attempt is not None and not attempt.left_out
    passed = attempt is not None and attempt.verdict == "passed"
    return {
        "deployment": deployment,
        "run": run,
        "status": record.get("status"),
        "verdict": tasks[0].get("status"),
        "counts": counts,
        "passed": passed if counts else None,
        "why_not": None if attempt is None else attempt.left_out or None,
        "gates": tasks[0].get("gates") or [],
        "cost_usd": _number(attempt.cost_usd) if attempt else None,
        "seconds": attempt.seconds if attempt else None,
        "calls": attempt.calls if attempt else 0,
        "input_tokens": attempt.input_tokens if attempt else 0,
        "output_tokens": attempt.output_tokens if attempt else 0,
        "result": tasks[0].get("result"),
        "files": sum(one["files"] for one in changes),
        "insertions": sum(one["insertions"] for one in changes),
        "deletions": sum(one["deletions"] for one in changes),
        "branch": next((one["branch"] for one in changes if one["branch"]), None),
        "diff": diff,
        "error": error,
    }


def _cell(key: str, one: dict[str, Any]) -> list[str]:
    match key:
        case "verdict":
            verdict = str(one["verdict"] or one["status"] or "-")
            return [verdict] if one["counts"] else [verdict, "(does not count)"]
        case "gates":
            found = [
                f"{gate.gate} {gate.verdict}" for gate in verdicts_of(one["gates"])
            ]
            return found or ["-"]
        case "cost":
            usd = one["cost_usd"]
            return [shown_usd(None if usd is None else Decimal(str(usd)))]
        case "seconds":
            return ["-" if one["seconds"] is None else f"{one['seconds']:.1f}"]
        case "tokens":
            return [f"{one['input_tokens']:,} in, {one['output_tokens']:,} out"]
        case "changed":
            files = f"{one['files']} file{'s' * (one['files'] != 1)}"
            return [f"{files}, +{one['insertions']} -{one['deletions']}"]
        case _:
            return [str(one[key])]


def _lines(row: Sequence[Sequence[str]], widths: Sequence[int]) -> Iterator[str]:
    for at in range(max(map(len, row))):
        cells = [cell[at] if at < len(cell) else "" for cell in row]
        padded = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
        yield "  ".join(padded).rstrip()


def _range(rows: Sequence[Sequence[object]]) -> range:
    return range(len(rows[0]))


def _number(amount: Decimal | None) -> float | None:
    return None if amount is None else float(amount)
