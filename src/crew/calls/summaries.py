"""How often a conversation is shortened before it is clear that this leads nowhere.

A model that writes a tool argument of 900 KB again and again, or answers a summary with
as much, would be asked until the run has no calls left.
"""

from dataclasses import dataclass

from crew.errors import RunFailed

ROUNDS = 3
"""Summaries in a row without progress."""
PROGRESS = 3
"""Answers after a summary that are progress; a summary makes room for many more."""


@dataclass(slots=True)
class Summaries:
    """Counts the summaries of one agent's conversations. Each task counts anew."""

    task: str | None = None
    rounds: int = 0
    answers: int = 0

    def begin(self, task: str | None) -> bool:
        """Count a summary; returns False where the last ones brought nothing."""
        if task != self.task or self.answers >= PROGRESS:
            self.task, self.rounds = task, 0
        self.rounds += 1
        return self.rounds <= ROUNDS

    def end(self) -> None:
        """From here on answers count: those of the summary itself do not."""
        self.answers = 0

    def answered(self) -> None:
        """The agent got an answer."""
        self.answers += 1


def endless(role: str) -> RunFailed:
    """The error that ends a run whose summaries lead nowhere."""
    return RunFailed(
        f"{role}: the conversation was too long again right after each of {ROUNDS} "
        "summaries; ask for smaller files or shorter answers, or name a deployment "
        "with a larger context_window"
    )
