"""The README: what it shows exists, and it stays short."""

import re
from pathlib import Path

PROJECT = Path(__file__).parents[1]
README = (PROJECT / "README.md").read_text(encoding="utf-8")


def test_the_tests_are_started_as_the_readme_says() -> None:
    script = (PROJECT / ".ci" / "run").read_text(encoding="utf-8")
    (command,) = re.findall(r"^pip install uv && (uv run pytest.*)$", README, re.M)

    assert f"\n{command}\n" in script


def test_the_first_command_is_there() -> None:
    assert "\npip install uv && uv run crewai run\n" in README


def test_the_readme_is_one_screen_and_a_half() -> None:
    assert len(README.splitlines()) <= 100


def test_the_readme_leads_to_every_page() -> None:
    pages = {path.name for path in (PROJECT / "docs").glob("*.md")}

    assert pages <= set(re.findall(r"\]\(docs/([\w-]+\.md)[)#]", README))
