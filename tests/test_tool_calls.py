"""The calls of a stream arrive as they were sent, whatever their index and id."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import crew.providers.transport  # noqa: F401  sets litellm up as the crew does
from crew.providers.tool_calls import is_sound, number_calls


def _chunk(*pieces: dict[str, Any]) -> Any:
    from litellm.types.utils import ModelResponseStream

    choice = {"index": 0, "delta": {"tool_calls": list(pieces)}}
    return ModelResponseStream(choices=[choice])


def _piece(index: int, arguments: str = "", **more: Any) -> dict[str, Any]:
    function = {"name": more.pop("name", None), "arguments": arguments}
    return {"index": index, "type": "function", "function": function, **more}


def joined(*chunks: Any) -> list[tuple[str, str]]:
    """Names and arguments of the calls, as litellm makes them of numbered chunks."""
    from litellm import stream_chunk_builder

    number_calls(chunks)
    whole: Any = stream_chunk_builder(list(chunks))
    calls = whole.choices[0].message.tool_calls or []
    return [(call.function.name, call.function.arguments) for call in calls]


TWO = [("read", '{"path": "a"}'), ("read", '{"path": "b"}')]
STREAMS = {
    "one index each": [
        _chunk(_piece(0, id="x", name="read")),
        _chunk(_piece(0, '{"path": "a"}')),
        _chunk(_piece(1, id="y", name="read")),
        _chunk(_piece(1, '{"path": "b"}')),
    ],
    "the same index, ids of their own": [
        _chunk(_piece(0, '{"path"', id="x", name="read")),
        _chunk(_piece(0, ': "a"}')),
        _chunk(_piece(0, '{"path"', id="y", name="read")),
        _chunk(_piece(0, ': "b"}')),
    ],
    "the same index and no ids": [
        _chunk(_piece(0, '{"path": "a"}', name="read")),
        _chunk(_piece(0, '{"path": "b"}', name="read")),
    ],
    "the id in each piece": [
        _chunk(_piece(0, '{"path"', id="x", name="read")),
        _chunk(_piece(0, ': "a"}', id="x")),
        _chunk(_piece(0, '{"path"', id="y", name="read")),
        _chunk(_piece(0, ': "b"}', id="y")),
    ],
    "by turns": [
        _chunk(_piece(0, '{"path"', id="x", name="read")),
        _chunk(_piece(1, '{"path"', id="y", name="read")),
        _chunk(_piece(0, ': "a"}')),
        _chunk(_piece(1, ': "b"}')),
    ],
    "both in one chunk, indexes from 5": [
        _chunk(
            _piece(5, '{"path": "a"}', id="x", name="read"),
            _piece(9, '{"path": "b"}', id="y", name="read"),
        ),
    ],
    "one id for both": [
        _chunk(_piece(0, '{"path": "a"}', id="call_0", name="read")),
        _chunk(_piece(1, '{"path": "b"}', id="call_0", name="read")),
    ],
}


@pytest.mark.parametrize("name", STREAMS)
def test_two_calls_stay_two(name: str) -> None:
    assert joined(*STREAMS[name]) == TWO


@given(
    cuts=st.lists(st.integers(1, 9), min_size=1, max_size=4),
    values=st.lists(st.text(max_size=12), min_size=1, max_size=4),
    repeat_id=st.booleans(),
    shared_index=st.booleans(),
)
def test_calls_in_any_pieces_arrive_whole(
    cuts: list[int], values: list[str], repeat_id: bool, shared_index: bool
) -> None:
    sent, chunks = [], []
    for number, value in enumerate(values):
        arguments, index = json.dumps({"text": value}), 0 if shared_index else number
        sent.append(("write", arguments))
        chunks.append(_chunk(_piece(index, id=f"c{number}", name="write")))
        size = cuts[number % len(cuts)]
        more = {"id": f"c{number}"} if repeat_id else {}
        chunks += [
            _chunk(_piece(index, arguments[start : start + size], **more))
            for start in range(0, len(arguments), size)
        ]

    assert joined(*chunks) == sent


@pytest.mark.parametrize(
    ("arguments", "sound"),
    [
        ("{}", True),
        ("", True),
        (None, True),
        ('{"path": "a"}', True),
        ('{"path": "a"}{"path": "b"}', False),
        ('{"path":"big.py","text":"line 1\\nli', False),
        ("[]", False),
        ('"text"', False),
        ("null", False),
        ("path=a", False),
        ("[" * 100_000, False),
    ],
)
def test_only_one_json_object_is_sound(arguments: str | None, sound: bool) -> None:
    assert is_sound(arguments) is sound
