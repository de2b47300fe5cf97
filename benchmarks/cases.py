"""The cases that others reported, by group: how many are tried, how many survive.

    uv run python benchmarks/cases.py [GROUP]...

Each group is a set of test files; a case is one test with one set of arguments, and
Hypothesis' examples count as one. Prints the table of docs/reliability.md.
"""

import subprocess
import sys
import tempfile
from pathlib import Path
from xml.etree import ElementTree

TESTS = Path(__file__).parents[1] / "tests"
GROUPS = {
    "A. An answer is whole or a failure": (
        "test_whole_answers.py",
        "test_answer_end.py",
        "test_line_breaks.py",
        "test_tool_calls.py",
        "test_cut_off.py",
    ),
    "B. In front of the provider": (
        "test_in_front.py",
        "test_front_bodies.py",
        "test_refusals.py",
        "test_retry_after.py",
    ),
    "C. The conversation is carried over": ("test_call_ids.py", "test_reasoning.py"),
    "D. Money follows the bill": ("test_bills.py", "test_caching.py"),
    "E. The configuration in the shape in which it is used": (
        "test_default_config.py",
        "test_default_deployments.py",
        "test_destination.py",
        "test_own_servers.py",
        "test_parameters.py",
    ),
    "F. Done is looked at": (
        "test_coworkers.py",
        "test_done.py",
        "test_gates.py",
        "test_text_tools.py",
        "test_unasked.py",
        "test_written_calls.py",
    ),
    "G. Real projects move in": (
        "test_crewai_keys.py",
        "test_foreign_repositories.py",
        "test_moved_in.py",
        "test_own_project.py",
        "test_placeholders.py",
    ),
    "H. Hostile input": (
        "test_hostile_repositories.py",
        "test_hostile_surroundings.py",
        "test_hostile_yaml.py",
        "test_images.py",
        "test_names.py",
        "test_secrets.py",
        "test_secrets_by_value.py",
    ),
    "H. Damaged machine": (
        "test_clock_jumps.py",
        "test_damaged_files.py",
        "test_damaged_machine.py",
        "test_full_disk.py",
        "test_memory.py",
    ),
}
"""The test files of each group, by its letter."""


def tried(files: tuple[str, ...]) -> tuple[int, int]:
    """How many cases ran, and how many of them survived."""
    with tempfile.TemporaryDirectory() as directory:
        report = Path(directory) / "report.xml"
        paths = [str(TESTS / name) for name in files]
        command = [sys.executable, "-m", "pytest", "-q", f"--junitxml={report}", *paths]
        subprocess.run(command, capture_output=True, check=False, cwd=TESTS.parent)
        suites = list(ElementTree.parse(report).iter("testsuite"))  # our own file
    counts = {
        name: sum(int(suite.get(name, 0)) for suite in suites)
        for name in ("tests", "failures", "errors", "skipped")
    }
    ran = counts["tests"] - counts["skipped"]
    return ran, ran - counts["failures"] - counts["errors"]


def main() -> None:
    """Run the groups whose letters are given, or all, and print the table."""
    wanted = [letter.upper() for letter in sys.argv[1:]]
    print("| Group | Cases | Survived |\n|---|---|---|")
    for name, files in GROUPS.items():
        if not wanted or name[0] in wanted:
            ran, survived = tried(files)
            print(f"| {name} | {ran} | {survived} |", flush=True)


if __name__ == "__main__":
    main()
