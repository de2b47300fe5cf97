"""Which coworker a manager means: every spelling that a person would accept."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crew.tools.coworkers import find

TEAM = {
    "coder": "🚀 Software Engineer",
    "documenter": "Rédacteur technique",
    "vision_analyst": "Vision analyst",
    "qa": "QA/Test lead",
}
ACCEPTED = [
    ("🚀 Software Engineer", "coder"),
    ("Software Engineer", "coder"),
    ("software engineer", "coder"),
    ("SOFTWARE_ENGINEER", "coder"),
    ("SoftwareEngineer", "coder"),
    ("software-engineer.", "coder"),
    ('"Software  Engineer"', "coder"),
    ("coder", "coder"),
    ("The Coder", "coder"),
    ("Software Engineer (coder)", "coder"),
    ("Soft", "coder"),
    (unicodedata.normalize("NFD", "Rédacteur technique"), "documenter"),
    ("Redacteur technique", "documenter"),
    ("\uff32ÉDACTEUR TECHNIQUE", "documenter"),
    ("vision analyst", "vision_analyst"),
    ("VisionAnalyst", "vision_analyst"),
    ("qa test lead", "qa"),
    ("", None),
    ("🚀", None),
    ("Lawyer", None),
]


@pytest.mark.parametrize(("name", "meant"), ACCEPTED)
def test_a_spelling_that_a_person_would_accept_is_accepted(
    name: str, meant: str | None
) -> None:
    assert find(name, TEAM) == meant


def test_what_fits_two_is_nobody() -> None:
    team = {"a": "Engineer for web", "b": "Engineer for data"}

    assert find("Engineer", team) is None
    assert find("engineer for data", team) == "b"


@given(st.text())
def test_any_name_is_one_of_the_team_or_nobody(name: str) -> None:
    assert find(name, TEAM) in {*TEAM, None}
