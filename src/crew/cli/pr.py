"""`crew pr`: a pull request with what a run changed."""

import shlex
import sys

import click

from crew.cli.comment import open_github
from crew.cli.console import DONE, FAILED, argument_error, print_safe
from crew.cli.known_runs import known_runs
from crew.errors import CrewError
from crew.reports.github_comment import API_URL
from crew.runs.listing import pick
from crew.runs.pulling import Pull, opened, pulls


@click.command(
    help="Show the pull request for what a run changed (default: the latest); with "
    "--post, push the branch and open it."
)
@click.argument("run", required=False, metavar="[RUN]")
@click.option(
    "--to", metavar="OWNER/REPO", help="Its repository (default: that of origin)."
)
@click.option("--base", metavar="BRANCH", help="The branch to merge into.")
@click.option("--post", is_flag=True, help="Push and open it; needs GITHUB_TOKEN.")
@click.pass_obj
def command(
    config: str | None, run: str | None, to: str | None, base: str | None, post: bool
) -> int:
    """Show or open the pull requests; returns the exit code."""
    _, runs = known_runs(config)
    found = pick(runs, run)
    hub = open_github(config) if post else None
    document = found.directory.document()
    if document is None:
        raise argument_error("RUN", f"run {found.run} has not come to an end")
    address = hub.api_url if hub is not None else API_URL
    made = pulls(found, document, to=to, base=base, api_url=address)
    if hub is None:
        for pull in made:
            _show(pull)
        options = [*(["--to", to] if to else []), *(["--base", base] if base else [])]
        crew = ["crew", *(["--config", config] if config else [])]
        print_safe(
            "Open it with: " + shlex.join([*crew, "pr", found.run, *options, "--post"])
        )
        return DONE
    code = DONE
    for pull in made:
        try:
            print_safe(f"opened: {opened(pull, hub)}")
        except CrewError as exc:
            print_safe(f"crew: {exc}", file=sys.stderr)
            code = FAILED
    return code


def _show(pull: Pull) -> None:
    print_safe(f"DRY RUN: the pull request on {pull.repository}, which is not opened:")
    print_safe(f"\nhead:  {pull.head}\nbase:  {pull.base}\ntitle: {pull.title}\n")
    print_safe(f"{pull.body}\n")
