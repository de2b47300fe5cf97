"""`crew review`: marks for a sample of answers."""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from crew.cli.console import DONE, argument_error, print_safe
from crew.cli.known_runs import Age
from crew.cli.past import past_runs
from crew.cli.place import placed
from crew.cli.settings_of import settings_or_tiers
from crew.clock import SystemClock
from crew.errors import file_problem
from crew.journal import SKIPPED, Answered, Journal, MarkRecord
from crew.runs.reviewing import Answer, answer_id, sample
from crew.settings import Settings
from crew.settings.wording import shown

_WEEK = 604_800.0
_LINES = 120
"""Lines of a result, and of a diff, that are shown."""
_WHY = 200
"""Characters of a reason that are kept."""
_MOST_BYTES = 1_000_000
_MARKS = ("1", "2", "3", "4", "5")


@click.command(
    help="Mark a sample of answers from 1 to 5, without knowing which model wrote "
    "them; what you have marked is not asked again. See crew report --marks."
)
@click.option(
    "--n",
    "most",
    type=click.IntRange(1, 1_000),
    default=10,
    metavar="N",
    help="How many at most (default: 10).",
)
@click.option(
    "--since",
    type=Age(),
    default=_WEEK,
    metavar="AGE",
    help="Answers of the last 7d, 12h, ... (default: 7d).",
)
@click.option("--json", "as_json", is_flag=True, help="Print the sample as JSON.")
@click.option(
    "--marks",
    "given",
    metavar="FILE",
    help="Take marks from a file of JSON, or - for stdin: a list of id, mark, why.",
)
@click.pass_obj
def command(
    config: str | None, most: int, since: float, as_json: bool, given: str | None
) -> int:
    """Ask for marks, print the sample, or take marks; returns the exit code."""
    settings = settings_or_tiers(placed(config))
    with past_runs(settings, "--since") as journal:
        if given is not None:
            known = {answer_id(one): one for one in journal.marks.answered(0.0)}
            kept = _take(journal, settings, known, _read(given))
            print(json.dumps({"kept": kept}) if as_json else f"{kept} marks are kept")
            return DONE
        answered = journal.marks.answered(SystemClock().now() - since)
        answers = sample(settings, answered, journal.marks.since(0.0), most)
        if as_json:
            documents = [one.document() for one in answers]
            print(json.dumps({"answers": documents}, indent=2))
        else:
            _ask(journal, settings, answers)
    return DONE


def _ask(journal: Journal, settings: Settings, answers: Sequence[Answer]) -> None:
    if not answers:
        print("There is no answer left to mark; look further back with --since.")
        return
    kept = 0
    for number, answer in enumerate(answers, 1):
        _show(answer, f"Answer {number} of {len(answers)}")
        try:
            mark = click.prompt(
                "1 (useless) to 5 (as I would have it), s to skip, q to stop",
                type=click.Choice((*_MARKS, "s", "q")),
                show_choices=False,
            )
            if mark == "q":
                break
            why = "" if mark == "s" else click.prompt("Why, in a word", default="")
        except click.exceptions.Abort:  # the end of the input
            break
        value = SKIPPED if mark == "s" else int(mark)
        kept += _keep(journal, settings, answer.of, value, why) and value != SKIPPED
    print(f"\n{kept} marks are kept; see crew report --marks")


def _show(answer: Answer, head: str) -> None:
    about = ", ".join(part for part in (answer.of.kind, answer.of.complexity) if part)
    print_safe(f"\n{'=' * 72}\n{head}: {answer.of.task} ({about})\n{'=' * 72}")
    print_safe(f"Request: {_bounded(answer.request)}")
    if answer.asked:
        print_safe(f"\nTask: {_bounded(answer.asked)}")
    print_safe(f"\nResult:\n{_bounded(answer.result)}")
    if answer.diff:
        print_safe(f"\nWhat changed:\n{_bounded(answer.diff)}")
    print()


def _bounded(text: str) -> str:
    """A text that fits a person: its lines, and their length, have an end."""
    lines = text.strip().splitlines()
    over = len(lines) - _LINES
    more = [f"... {over:,} more lines"] if over > 0 else []
    cut = [f"{one[:500]}..." if len(one) > 500 else one for one in lines[:_LINES]]
    return "\n".join([*cut, *more])


def _keep(
    journal: Journal, settings: Settings, of: Answered, mark: int, why: str
) -> bool:
    """Keep a mark; whether this user had none for it."""
    words = " ".join(settings.secrets.masked(why).split())[:_WHY]
    return journal.marks.add(
        MarkRecord(
            run=of.run,
            task=of.task,
            user=settings.user,
            at=SystemClock().now(),
            deployment=of.deployment,
            kind=of.kind,
            complexity=of.complexity,
            mark=mark,
            why=words,
        )
    )


def _read(given: str) -> list[Any]:
    """The marks of a file. Raises SettingsError."""
    try:
        if given == "-":
            text = sys.stdin.read(_MOST_BYTES + 1)
        else:
            with Path(given).open(encoding="utf-8") as file:
                text = file.read(_MOST_BYTES + 1)
        if len(text) > _MOST_BYTES:
            raise argument_error("--marks", f"{given} is too large")
        found = json.loads(text)
    except OSError as exc:
        raise argument_error("--marks", f"{given}: {file_problem(exc)}") from None
    except (ValueError, RecursionError) as exc:
        raise argument_error("--marks", f"{given}: {exc}") from None
    if isinstance(found, dict) and list(found) == ["marks"]:
        found = found["marks"]
    if not isinstance(found, list):
        raise argument_error("--marks", f"found {shown(found)}, expected a list")
    return found


def _take(
    journal: Journal,
    settings: Settings,
    known: Mapping[str, Answered],
    entries: Sequence[Any],
) -> int:
    """Keep the marks, all or none; returns how many are new. Raises SettingsError."""
    right = [_entry(number, entry, known) for number, entry in enumerate(entries, 1)]
    return sum(_keep(journal, settings, *one) for one in right)


def _entry(
    number: int, entry: Any, known: Mapping[str, Answered]
) -> tuple[Answered, int, str]:
    where = f"entry {number}"
    if not isinstance(entry, dict) or not set(entry) <= {"id", "mark", "why"}:
        message = f"{where}: found {shown(entry)}, expected id, mark and why alone"
        raise argument_error("--marks", message)
    of = known.get(str(entry.get("id")))
    if of is None:
        message = f"{where}: no answer has the id {shown(entry.get('id'))}"
        raise argument_error("--marks", message)
    mark, why = entry.get("mark"), entry.get("why", "")
    if isinstance(mark, bool) or not isinstance(mark, int) or not 1 <= mark <= 5:
        message = f"{where}: found {shown(mark)} as mark, allowed: 1 to 5"
        raise argument_error("--marks", message)
    if not isinstance(why, str):
        raise argument_error("--marks", f"{where}: `why` must be a text")
    return of, mark, why
