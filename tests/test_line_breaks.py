"""Every line separator of Unicode in a JSON string arrives, wherever it is split."""

import json

import httpx
from hypothesis import given
from hypothesis import strategies as st

from crew.providers.line_breaks import LineBreaks

SEPARATORS = "\v\f\x1c\x1d\x1e\x85\u2028\u2029"
TEXTS = st.text(
    st.sampled_from(SEPARATORS + 'aé\\"\u20ac\u00c2€😀{}\n\r\t')
    | st.characters(codec="utf-8")
)


def _escaped(raw: bytes, cuts: list[int]) -> bytes:
    breaks, places = LineBreaks(), sorted({min(cut, len(raw)) for cut in cuts})
    parts = [
        raw[start:end]
        for start, end in zip([0, *places], [*places, len(raw)], strict=True)
    ]
    return b"".join([*map(breaks.escape, parts), breaks.rest()])


def _raw_json(text: str) -> str:
    """JSON as a provider may send it: only what has to be is escaped."""
    plain = json.dumps(text, ensure_ascii=False)
    for separator in "\v\f\x1c\x1d\x1e":
        plain = plain.replace(json.dumps(separator)[1:-1], separator)
    return plain


@given(texts=st.lists(TEXTS, max_size=5), cuts=st.lists(st.integers(0, 300)))
def test_each_line_arrives_whole_however_the_bytes_are_split(
    texts: list[str], cuts: list[int]
) -> None:
    raw = "".join(f"data: {_raw_json(text)}\n\n" for text in texts).encode()

    response = httpx.Response(200, content=_escaped(raw, cuts))

    lines = [line for line in response.iter_lines() if line]
    assert [json.loads(line.removeprefix("data: ")) for line in lines] == texts


@given(raw=st.binary(max_size=60), cuts=st.lists(st.integers(0, 60)))
def test_no_byte_is_lost(raw: bytes, cuts: list[int]) -> None:
    escaped = _escaped(raw, cuts)

    for separator in SEPARATORS:
        escape = f"\\u{ord(separator):04x}".encode()
        raw = raw.replace(separator.encode(), escape)
    assert escaped == raw


@given(text=st.text(max_size=40))
def test_other_text_is_left_as_it_is(text: str) -> None:
    plain = "".join(letter for letter in text if letter not in SEPARATORS).encode(
        errors="ignore"
    )

    assert _escaped(plain, [3, 7]) == plain
