"""The gate `review`: a finding counts when it comes with a test that fails."""

from pathlib import Path

import pytest

from checked import Opened, isolated, opened, shop
from crew.gates import Found, Means, Verdict, Work, build_gates
from crew.gates.gate import Gate
from crew.settings.gates import gate

__all__ = ["opened", "shop"]
SPEC = gate({"review": {"tier": "senior", "check": "test"}})
CHECKS = "checks: {test: python3 -m unittest}"
WRONG = "TEST shop/test_review.py\nIt adds nothing.\n```python\n{}```\n"
FAILING = """\
import unittest
from shop import total

class Reviewed(unittest.TestCase):
    def test_of_the_review(self):
        self.assertEqual(total([2, 2]), 5)
"""
PASSING = FAILING.replace("5", "4")


class Reviewer:
    """A model that gives one answer."""

    def __init__(self, answer: str | None) -> None:
        self.answer, self.asked = answer, [""]

    def __call__(self, tier: str, question: str) -> str | None:
        self.asked.append(question)
        return self.answer


def reviewed(
    opened: Opened, shop: Path, answer: str | None
) -> tuple[Gate, Work, Reviewer]:
    checks = opened(CHECKS, shop)
    checks.workspace.write("shop/shop.py", "def total(numbers):\n    return 4\n")
    reviewer = Reviewer(answer)
    [built] = build_gates([SPEC], Means(checks=checks, ask=reviewer))
    work = Work(
        text="done",
        asked="Add up the numbers.",
        workspace=checks.workspace,
        changed=["shop/shop.py"],
    )
    return built, work, reviewer


def is_there(work: Work) -> bool:
    return work.workspace.resolve("shop/test_review.py").exists()


@isolated
def test_a_finding_with_a_failing_test_goes_back_and_the_test_stays(
    opened: Opened, shop: Path
) -> None:
    built, work, reviewer = reviewed(opened, shop, WRONG.format(FAILING))

    verdict = built.judge(work)

    assert verdict.found is Found.FAILED
    assert "shop/test_review.py fails" in verdict.reason
    assert "It adds nothing." in verdict.reason
    assert "return 4" in reviewer.asked[-1]
    assert is_there(work)


@isolated
def test_a_test_that_still_fails_is_left_out_the_second_time(
    opened: Opened, shop: Path
) -> None:
    built, work, reviewer = reviewed(opened, shop, WRONG.format(FAILING))
    built.judge(work)

    again = built.judge(work)

    assert again.found is Found.NOTHING
    assert "still fails" in again.reason
    assert not is_there(work)
    assert len(reviewer.asked) == 2


@isolated
def test_a_finding_whose_test_passes_counts_for_nothing(
    opened: Opened, shop: Path
) -> None:
    built, work, _ = reviewed(opened, shop, WRONG.format(PASSING))

    assert built.judge(work).found is Found.PASSED
    assert not is_there(work)


@isolated
def test_an_opinion_without_a_test_refuses_nothing(opened: Opened, shop: Path) -> None:
    built, work, _ = reviewed(opened, shop, "This is dreadful. FAIL.")

    assert built.judge(work).found is Found.PASSED


@isolated
@pytest.mark.parametrize(
    "path", ["shop/test_shop.py", "../test_x.py", "shop/shop2.py", "/tmp/test_y.py"]
)
def test_a_reviewer_writes_new_tests_alone_and_only_inside(
    opened: Opened, shop: Path, path: str
) -> None:
    answer = WRONG.format(FAILING).replace("shop/test_review.py", path)
    built, work, _ = reviewed(opened, shop, answer)

    assert built.judge(work).found is Found.NOTHING
    assert "test_old" in work.workspace.content("shop/test_shop.py").decode()
    assert not Path(path).exists() or not path.startswith("/")


def test_without_its_check_it_asks_nobody(opened: Opened, shop: Path) -> None:
    reviewer = Reviewer("OK")
    [built] = build_gates([SPEC], Means(ask=reviewer))
    checks = opened("", shop)

    verdict: Verdict = built.judge(
        Work(text="", asked="", workspace=checks.workspace, changed=["shop/shop.py"])
    )

    assert verdict.found is Found.NOTHING
    assert len(reviewer.asked) == 1
