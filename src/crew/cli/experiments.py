"""`crew report --experiment`: what experiments say so far."""

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

from crew.cli.console import DONE, argument_error, print_safe
from crew.cli.past import past_runs
from crew.cli.place import placed
from crew.cli.settings_of import settings_of
from crew.journal import Journal
from crew.reports.experiment import experiment_document, experiment_lines
from crew.runs.experiments import finding_of, proposal
from crew.settings import Settings
from crew.settings.wording import unknown

EVERY = "*"
"""What stands for the name where the option has none; no experiment has this name."""


def report(config: str | None, name: str, *, as_json: bool) -> int:
    """Print what an experiment says so far; returns the exit code."""
    settings = settings_of(placed(config))
    with past_runs(settings, "--experiment") as journal:
        known = [*dict.fromkeys((*settings.experiments, *journal.trials.names()))]
        if name != EVERY and name not in known:
            raise argument_error("--experiment", unknown("experiment", name, known))
        names = known if name == EVERY else [name]
        found = [_found(journal, settings, one) for one in names]
    if as_json:
        documents = [document for document, _ in found]
        print(json.dumps(documents if name == EVERY else documents[0], indent=2))
        return DONE
    if not found:
        print("there is no experiment in experiments.yaml, and none in the journal")
    for number, (_, lines) in enumerate(found):
        if number:
            print()
        for line in lines:
            print_safe(line)
    return DONE


def _found(
    journal: Journal, settings: Settings, name: str
) -> tuple[dict[str, Any], list[str]]:
    """What an experiment says, as JSON and as lines."""
    finding = finding_of(journal, settings.experiments, name)
    trials = journal.trials.of(name)
    served = Counter(one.deployment for one in trials.attempts if one.deployment)
    change = proposal(settings, finding, served)
    document = {
        **experiment_document(finding),
        "is_running": name in settings.experiments,
        "proposal": change or None,
    }
    lines = [*experiment_lines(finding), *_ending(settings, name, change)]
    return document, lines


def _ending(settings: Settings, name: str, change: str) -> Iterator[str]:
    if change:
        yield "proposed, and applied by nobody but you:"
        yield from change.splitlines()
    if change and name in settings.experiments:
        yield f"the experiment goes on until you take {name} out of experiments.yaml"
