"""`crew run --comment`: the comment on a GitHub issue."""

import sys
from typing import TYPE_CHECKING

from crew.cli.console import (
    DONE,
    FAILED,
    argument_error,
    argument_mistake,
    print_safe,
)
from crew.errors import Mistake
from crew.reports.github_comment import (
    CommentFailed,
    GitHub,
    comment_on,
    parse_issue,
    results_of,
)
from crew.settings import Settings
from crew.settings.environment import read_environment
from crew.settings.places import find

if TYPE_CHECKING:
    from crew.cli.run_options import RunOptions
    from crew.runs.ending import Outcome


def comment(
    outcome: "Outcome",
    settings: Settings,
    options: "RunOptions",
    github: GitHub | None,
) -> int:
    """Post the comment, or show it. A post that fails leaves the run done, and can be
    tried again without paying for anything; only the exit code shows it."""
    issue = parse_issue(options.comment or "")
    results = {task["name"]: task["result"] or "" for task in outcome.document["tasks"]}
    text = comment_on(outcome.run_id, results_of(settings, results, outcome.raw))
    rehearsal = outcome.document["rehearsal"]
    if github is not None and not rehearsal:
        try:
            print(f"· posted: {github.post(issue, text)}", file=sys.stderr)
        except CommentFailed as exc:
            print_safe(f"crew: {exc}", file=sys.stderr)
            again = options.resume_command(outcome.run_id)
            print(f"crew: try again with: {again}", file=sys.stderr)
            return FAILED
        return DONE
    out = sys.stderr if options.as_json else sys.stdout
    print(f"\nDRY RUN: the comment on {issue}, which is not posted:\n", file=out)
    print_safe(text, file=out)
    if rehearsal:
        print("\nA rehearsal's text is scripted; it is never posted.", file=out)
    else:
        again = options.resume_command(outcome.run_id)
        print(f"\nPost it with: {again} --post", file=out)
    return DONE


def open_github(config: str | None) -> GitHub:
    """The account that may comment, as the environment and `.env` name it. Raises
    SettingsError."""
    try:
        return GitHub.read(read_environment(find(config)))
    except CommentFailed as exc:
        raise argument_error("--post", str(exc)) from None


def comment_mistakes(options: "RunOptions") -> list[Mistake]:
    """What is wrong with --comment and --post."""
    if options.comment is None:
        if options.post:
            return [argument_mistake("--post", "say where: --comment OWNER/REPO#12")]
        return []
    try:
        parse_issue(options.comment)
    except ValueError as exc:
        return [argument_mistake("--comment", str(exc))]
    return []
