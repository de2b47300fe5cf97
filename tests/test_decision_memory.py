"""What a decision keeps of earlier ones: never more than still holds."""

from building import deployment, provider, settings
from crew.clock import ManualClock
from crew.guard.history import FRESH_SECONDS, History
from crew.journal import ServedCall
from crew.settings.prompts import style_for
from crew.settings.styles import Style


class Calls:
    """A journal of the test's own."""

    def __init__(self) -> None:
        self.calls: list[ServedCall] = []

    def add(self, seconds: float, at: float) -> None:
        self.calls.append(
            ServedCall(
                deployment="a", input_tokens=10, seconds=seconds, failed=False, at=at
            )
        )

    def calls_after(self, row: int) -> tuple[int, list[ServedCall]]:
        return len(self.calls), self.calls[row:]

    def tries_after(self, row: int) -> tuple[int, list]:
        return 0, []


def test_a_median_follows_new_calls_and_lets_go_of_old_ones() -> None:
    clock, record = ManualClock(), Calls()
    history = History(record, clock)

    def known() -> tuple[int, float] | None:
        found = history.times(["a"], 10).get("a")
        return found and (found.calls, found.median)

    assert known() is None
    for seconds in (1, 2, 3):
        record.add(seconds, clock.now())
    assert known() == (3, 2)
    clock.advance(FRESH_SECONDS / 2)
    record.add(10, clock.now())
    assert known() == (4, 2.5)
    clock.advance(FRESH_SECONDS / 2)
    assert known() == (4, 2.5)
    clock.advance(1)
    assert known() is None


def test_the_style_of_a_family_follows_the_settings(tmp_path) -> None:
    one = deployment("llama", provider("p"))
    plain = settings([one], tmp_path)
    styles = {**plain.styles, "mine": Style(name="mine", text="Be brief.")}
    own = settings([one], tmp_path, prompts={"llama": "mine"}, styles=styles)

    before = style_for(plain, one).name

    assert style_for(own, one).name == "mine"
    assert style_for(plain, one).name == before != "mine"
