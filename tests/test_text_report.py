"""Reports on a terminal: plain text, as wide as it is, every figure whole."""

import re
import subprocess
import sys
from decimal import Decimal

import pytest
import regex

from crew.reports.report import RoleRow, RunReport
from crew.reports.text import summary_lines, task_lines
from crew.texts.escapes import escape_control
from hangs import HANGS_AFTER

ROW = RoleRow(
    role="documentation_specialist_for_the_public_api",
    served_by=(("meta-llama-3.1-405b-instruct-turbo-128k", 12_345), ("gpt-4", 1)),
    calls=12_346,
    failures=1_234,
    input_tokens=1_234_567_890,
    output_tokens=123_456_789,
    cost=Decimal("12345.6789"),
)
REPORT = RunReport(
    run="r1",
    calls=ROW.calls,
    failures=ROW.failures,
    input_tokens=ROW.input_tokens,
    output_tokens=ROW.output_tokens,
    cost=ROW.cost,
    known_cost=Decimal("12345.6789"),
    cost_all_senior=None,
    saved=None,
    roles=(ROW,),
    swaps=(),
    log=(),
)
FIGURES = ("12,346", "1,234", "1,234,567,890", "123,456,789", "$12,345.6789")


@pytest.mark.parametrize("width", [1, 40, 80, 100, 300])
def test_no_figure_is_cut_however_narrow_the_terminal(width: int) -> None:
    summary = summary_lines(REPORT, width=width)

    row = next(line for line in summary.splitlines() if FIGURES[0] in line)
    assert row.split()[-len(FIGURES) :] == list(FIGURES)
    assert max(map(len, summary.splitlines())) <= max(width, 80)


def test_there_are_neither_colours_nor_spaces_at_the_end_of_a_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    text = summary_lines(REPORT)

    assert "\x1b" not in text
    assert not re.search(" $", text, re.MULTILINE)


def test_the_width_is_that_of_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    wide = summary_lines(REPORT)
    monkeypatch.setenv("COLUMNS", "80")

    assert wide == summary_lines(REPORT, width=200)
    assert summary_lines(REPORT) == summary_lines(REPORT, width=80)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J\x1b]0;title\x07", "\\x1b[2J\\x1b]0;title\\x07"),
        ("\x9b31m\x7f\x00\b", "\\x9b31m\\x7f\\x00\\x08"),
        ("user\u202e\u2066txt.exe", "user\\u202e\\u2066txt.exe"),
        ("over\rwritten", "over\\rwritten"),
        ("\ud800", "\\ud800"),
        ("a\r\nb\n\tc é 日本 \U0001f468\u200d\U0001f469", None),
    ],
)
def test_what_would_fool_a_terminal_is_written_out(
    text: str, shown: str | None
) -> None:
    assert escape_control(text) == (shown or text.replace("\r\n", "\n"))


def test_it_needs_neither_crewai_nor_litellm() -> None:
    program = (
        "import sys, crew.reports.text; "
        "sys.exit(bool({'crewai', 'litellm'} & set(sys.modules)))"
    )

    assert (
        subprocess.run([sys.executable, "-c", program], timeout=HANGS_AFTER).returncode
        == 0
    )


def test_the_summary_reports_who_did_the_work_and_where_a_text_is() -> None:
    done = {
        "name": "code",
        "status": "proved",
        "roles": {"coder": 3, "manager": 1},
        "gates": [
            {"name": "changed", "verdict": "passed"},
            {"name": "python_parses", "verdict": "nothing"},
        ],
        "kept": None,
    }
    lost = {**done, "status": "failed", "roles": {}, "gates": [], "kept": "a.failed.md"}

    assert list(task_lines([done, lost])) == [
        "code: proved, by coder (3 calls), manager (1 call); "
        "no verdict of python_parses",
        "code: failed, by nobody; its last answer: a.failed.md",
    ]


def test_every_character_of_the_hostile_kinds_is_written_out() -> None:
    named = regex.compile(r"[\p{Cc}\p{Bidi_Control}\u2028\u2029\p{Cs}]")
    hostile = {
        character for character in map(chr, range(0x110000)) if named.match(character)
    }
    hostile |= set(map(chr, range(0xE0000, 0xE0080)))

    shown = {one for one in map(chr, range(0x110000)) if escape_control(one) != one}

    assert shown == hostile - set("\n\t")
