"""A run that wrote something into a repository, for what comes after it."""

import os
import subprocess
from pathlib import Path

from configured import KEY
from crew.cli import main
from scripted import Scripted, tool_call


def git(where: Path, *arguments: str, check: bool = True) -> str:
    names = ("-c", "user.name=ada", "-c", "user.email=ada@example.org")
    done = subprocess.run(
        ["git", *names, *arguments],
        cwd=where,
        check=check,
        capture_output=True,
        text=True,
        env={"PATH": os.environ["PATH"], "HOME": "/nonexistent"},
    )
    return done.stdout


def repository(where: Path) -> Path:
    """A repository with one commit on `main`: a.txt, and *.log is ignored."""
    where.mkdir(parents=True)
    git(where, "init", "--quiet", "--initial-branch=main")
    (where / "a.txt").write_text("one\ntwo\n", encoding="utf-8")
    (where / ".gitignore").write_text("*.log\n", encoding="utf-8")
    git(where, "add", "--all")
    git(where, "commit", "--quiet", "-m", "start")
    return where


def state(where: Path) -> tuple[str, ...]:
    """All that a person can see of a checkout."""
    return (
        git(where, "rev-parse", "HEAD"),
        git(where, "symbolic-ref", "HEAD", check=False),
        git(where, "for-each-ref"),
        git(where, "status", "--porcelain", "--ignored"),
        git(where, "diff", "HEAD"),
        git(where, "stash", "list"),
    )


def writers(config: Path) -> None:
    """Let every role of the configuration write files."""
    agents = config / "agents.yaml"
    text = agents.read_text(encoding="utf-8")
    tools = "tier: coder, tools: [write_file]}"
    agents.write_text(text.replace("tier: coder}", tools), encoding="utf-8")


def run(
    config: Path,
    server: Scripted,
    *places: Path,
    files: dict[str, str] | None = None,
    request: str = "Add pages",
) -> str:
    """Carry out a run whose coder writes these files; returns its id."""
    writers(config)
    written = {"shop/pages.py": "PAGES = 1\n"} if files is None else files
    calls = [tool_call("write_file", path=k, content=v) for k, v in written.items()]
    server.replies["smith"] = [*calls, "smith did the work."]
    before = set(Path("output").glob("2*"))
    repos = [part for place in places for part in ("--repo", str(place))]
    assert main(["run", request, *repos]) == 0
    (made,) = set(Path("output").glob("2*")) - before
    return made.name


__all__ = ["KEY", "git", "repository", "run", "state", "writers"]
