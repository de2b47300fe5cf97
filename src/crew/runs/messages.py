"""The message of a commit: the request, what was done, and trailers that say by whom.

A request comes from anybody: it is one line here, and can add no trailer.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal
from types import MappingProxyType

import regex

from crew.calls.run import Run
from crew.errors import StoreUnavailable

Trailers = Mapping[str, Sequence[str]]
"""The values of each trailer, by its name."""
NO_TRAILERS: Trailers = MappingProxyType({})
SUBJECT_CHARACTERS = 72
_CUT = " ..."
# What moves a cursor, hides text or ends a line, on any terminal and for git.
_UNSEEN = regex.compile(
    r"[\p{Cc}\p{Cs}\p{Bidi_Control}\p{Zl}\p{Zp}\U000E0000-\U000E007F]"
)
_NO_BEGINNING = ("-", "#", ";", "@")
"""An option, comments of git and of its tools, and a mention."""


def subject(request: str) -> str:
    """A request as the first line of a commit: whole words, at most
    SUBJECT_CHARACTERS."""
    words = one_line(request) or "no request"
    if words.startswith(_NO_BEGINNING):
        words = f"crew: {words}"
    if len(words) <= SUBJECT_CHARACTERS:
        return words
    room = SUBJECT_CHARACTERS - len(_CUT)
    head = words[: room + 1].rpartition(" ")[0] or words[:room]
    return f"{head.rstrip(' ,;:.')}{_CUT}"


def message(request: str, body: Sequence[str], trailers: Trailers) -> str:
    """The whole message. `body` has one line for each thing that was done; a trailer
    without values is left out."""
    done = [f"- {one_line(line)}" for line in body]
    ends = [
        f"{name}: {', '.join(one_line(value) for value in values)}"
        for name, values in trailers.items()
        if values
    ]
    parts = [subject(request), "\n".join(done), "\n".join(ends)]
    return "\n\n".join(part for part in parts if part) + "\n"


def commit_message(
    run: Run, request: str, task: str | None = None, more: Trailers = NO_TRAILERS
) -> str:
    """The message for what a task changed, or for what was left at the end of a run.
    Who did it, and what it cost, is what the journal knows by now."""
    try:
        calls = [
            call for call in run.journal.calls(run.id) if task in (None, call.task)
        ]
    except StoreUnavailable:  # the end of the run reports it
        calls = []
    answered = [call for call in calls if call.ok]
    names = dict.fromkeys(call.deployment for call in answered)
    known = run.settings.deployments
    roles = Counter(call.role for call in answered)
    by = ", ".join(f"{role} ({count} calls)" for role, count in roles.items())
    trailers: dict[str, Sequence[str]] = {
        "Crew-Run": [run.id],
        "Crew-Role": list(roles),
        "Crew-Model": [known[name].model if name in known else name for name in names],
        "Crew-Cost": [_cost([call.cost_usd for call in calls])],
    }
    trailers.update(more)
    what = task or "work in progress, or by more than one task"
    return message(request, [f"{what}: by {by}" if by else what], trailers)


def _cost(amounts: Sequence[Decimal | None]) -> str:
    known = [amount for amount in amounts if amount is not None]
    total = f"{sum(known, Decimal(0)):.6f} USD"
    return total if len(known) == len(amounts) else f"{total} and an unknown amount"


def one_line(text: str) -> str:
    """A text on one line, without what nobody sees."""
    return " ".join(_UNSEEN.sub(" ", text).split())
