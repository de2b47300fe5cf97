"""What `crew init` found and wrote, as lines for a person."""

from collections.abc import Collection, Iterator
from pathlib import Path

from crew.setup.configuration import IGNORE, STATE, Written
from crew.setup.finding import Found
from crew.setup.key_pages import KEY_PAGES
from crew.setup.keys import DOTENV

_PAGES = 3
"""So many pages for a free key are named."""


def summary(
    root: Path, written: Written, found: Found, *, share: bool
) -> Iterator[str]:
    """What was written, and what was found for it."""
    seen = "git sees it" if share else "hidden from git"
    yield f"config   {written.directory} ({seen})"
    if written.added:
        yield f"  added  {', '.join(written.added)}"
    if written.kept:
        yield f"  kept   {', '.join(written.kept)}: as they were"
    for server in found.servers:
        yield f"server   {server.kind.name} answers; it has {server.best_model}"
    if "inputs.yaml" in written.added:
        for check in found.checks:
            yield f"check    {check.name}: {check.command}  ({check.file})"
        for check in found.left_out:
            yield f"         {check.name}: left out, not installed: {check.command}"
        if found.checks and found.shares:
            yield f"share    {_shares(root, found.shares)}"
        if not found.checks:
            yield "check    none found: name your test command in inputs.yaml"


def _shares(root: Path, names: Collection[str]) -> str:
    """What is lent to the checks, and what of it has yet to be installed."""
    return ", ".join(
        name if (root / name).is_dir() else f"{name} (not there yet: install it)"
        for name in names
    )


def key_lines(
    root: Path, found: Found, keep: Collection[str], *, kept: bool
) -> Iterator[str]:
    """Which keys there are. `keep` are those for the `.env` beside the configuration,
    and `kept` is whether they went there."""
    place = f"{STATE}/{DOTENV}"
    for variable, origin in found.keys.found.items():
        if variable in keep:
            if kept:
                yield f"key      {variable}, now in {place}"
        elif variable in found.keys.own:
            yield f"key      {variable}, in {origin}: not read here, copy it to {place}"
        else:
            yield f"key      {variable}, from {origin.removeprefix(f'{root}/')}"
    if keep and not kept:
        yield f"key      NOT written to {place}: git could see it there, as that or"
        yield f"         {STATE}/{IGNORE} is not from `crew init`. Use the environment"


def next_steps(place: Path, found: Found, *, trusted: bool) -> Iterator[str]:
    """What to do now. `place` is the `.env` for a key."""
    yield ""
    if not found.can_call:
        yield f"No key yet: runs are rehearsals. Put one into {place}"
        for page in [one for one in KEY_PAGES if one.note != "paid"][:_PAGES]:
            yield f"  {page.variable}=...   {page.name}, {page.note}: {page.address}"
    if trusted:
        yield 'Next: crew run "what to do"    (crew check: who serves whom)'
    else:
        yield "Not all of it was written here. Next: crew trust shows what it can do"
