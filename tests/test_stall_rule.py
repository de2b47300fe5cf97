"""The rule by which an attempt gets nowhere, and how long a local model may write."""

import pytest

from building import deployment, provider
from crew.calls.stalls import Stalls
from crew.providers.prompt import Prompt, output_bound


class _Made:
    def __init__(self, path: str) -> None:
        self.function = self
        self.name, self.arguments = "read_file", path


def test_an_unreadable_call_between_equal_ones_is_no_progress() -> None:
    stalls = Stalls()

    for _ in range(2):
        stalls.note([_Made("a.py")])
        stalls.note([], is_unread=True)
    assert not stalls.reason
    stalls.note([_Made("a.py")])

    assert stalls.reason.startswith("it called read_file 3 times in a row")


def test_unreadable_calls_count_against_the_limit() -> None:
    stalls = Stalls(limit=2)

    stalls.note([], is_unread=True)
    stalls.note([], is_unread=True)

    assert "2 model calls" in stalls.reason


def test_a_text_between_equal_calls_is_progress() -> None:
    stalls = Stalls()

    for _ in range(4):
        stalls.note([_Made("a.py")])
        stalls.note([])

    assert not stalls.reason


@pytest.mark.parametrize(
    ("local", "length", "wanted", "bound"),
    [
        (True, 10, None, {"max_tokens": 700}),
        (True, 10, 50, {"max_tokens": 50}),
        (True, 10, 5_000, {"max_tokens": 700}),
        # A server may refuse what does not fit into its window.
        (True, 20_000, None, {}),
        (False, 10, None, {}),
    ],
)
def test_the_bound_of_an_answer_goes_to_local_servers_where_it_fits(
    local: bool, length: int, wanted: int | None, bound: dict[str, int]
) -> None:
    one = deployment(
        "m", provider("p", local=local), max_output=700, context_window=8_192
    )
    parameters = {} if wanted is None else {"max_tokens": wanted}
    messages = [{"role": "user", "content": "a" * length}]

    assert output_bound(one, Prompt(messages=messages, parameters=parameters)) == bound
