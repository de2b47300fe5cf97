"""YAML that somebody wrote to do harm is an ordinary mistake, found at once."""

import os
import time
from itertools import pairwise
from pathlib import Path

import pytest

from crew.settings.loader import load_settings
from small_config import change, mistakes_of, write_files

KEYS = {"ALPHA_API_KEY": "sk-alpha"}
SECONDS = 5.0
"""Of the processor. Far above what it takes (below 0.5 s), far below what it took."""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return write_files(tmp_path / "config")


def bomb(levels: int, one: str, many: str) -> str:
    lines = [f"x0: &x0 {one}"]
    lines += [
        f"x{n}: &x{n} {many % ((f'*x{n - 1}, ' * 9)[:-2])}" for n in range(1, levels)
    ]
    return "\n".join(lines) + "\n"


def keyed(levels: int) -> str:
    lines = ["x0: &x0 {a: b}"]
    for n in range(1, levels):
        pairs = ", ".join(f"k{i}: *x{n - 1}" for i in range(9))
        lines.append(f"x{n}: &x{n} {{{pairs}}}")
    return "\n".join(lines) + "\n"


def merged(levels: int) -> str:
    lines = ["x0: &x0 {a: b}"]
    lines += [
        f"x{n}: &x{n} {{<<: [{', '.join(f'*x{i}' for i in range(n))}], k{n}: v}}"
        for n in range(1, levels)
    ]
    return "\n".join(lines) + "\n"


HOSTILE = {
    "lists of aliases": bomb(10, "[a, b]", "[%s]"),
    "mappings of aliases": keyed(10),
    "merges of merges": merged(900),
    "a chain of aliases": "".join(
        ["x0: &x0 [a]\n", *(f"x{n}: &x{n} [*x{n - 1}]\n" for n in range(1, 5_000))]
    ),
    "deep lists": "x: " + "[" * 900 + "]" * 900 + "\n",
    "deeper lists": "x: " + "[" * 200_000 + "\n",
    "deep mappings": "".join(" " * n + "x:\n" for n in range(900)),
    "deep keys": "? " * 900 + "x\n",
    "a long value aliased": 'x: &x "'
    + "y" * 300_000
    + '"\nz: ['
    + "*x, " * 20_000
    + "]",
    "too many values": "x: [" + "a, " * 100_000 + "]\n",
    "too many keys": "".join(f"k{n}: v\n" for n in range(45_000)),
    "too large": "x: '" + "a" * 2_000_000 + "'\n",
    "a number without end": "x: 0x" + "f" * 9_000 + "\n",
    "a sexagesimal number": "x: " + "1:" * 200_000 + "1\n",
    "a tag that does not fit": "x: !!timestamp no\ny: !!int ''\nz: !!bool no!\n",
    "a long tag": "x: !" + "a" * 100_000 + " y\n",
    "nothing but errors": "x: {" + "".join(f"k{n}: v, " for n in range(15_000)) + "}\n",
}
FILES = ("agents", "tasks", "providers", "tiers", "inputs")


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_file_is_a_mistake_at_once(
    config: Path, file: str, kind: str
) -> None:
    path = config / f"{file}.yaml"
    path.write_text(HOSTILE[kind] + path.read_text("utf-8"), encoding="utf-8")
    began = time.process_time()

    found = mistakes_of(config, KEYS)

    assert time.process_time() - began < SECONDS
    assert any(one.file == str(path) for one in found)
    assert all(len(str(one)) < 3_000 for one in found)
    assert len(found) < 500


def test_the_bomb_of_450_bytes_is_found_on_its_line(config: Path) -> None:
    text = "tiers: &t\n  a: &a [x, x, x, x, x, x, x, x, x]\n"
    for one, other in zip("bcdefghij", "abcdefghi", strict=True):
        text += f"  {one}: &{one} [{', '.join([f'*{other}'] * 9)}]\n"
    (config / "tiers.yaml").write_text(text, encoding="utf-8")

    found = [one for one in mistakes_of(config, KEYS) if "tiers" in one.file]

    assert len(text) < 550
    assert [(one.line, one.message) for one in found] == [
        (1, "more than 20,000 values, with its aliases (*name) written out")
    ]


@pytest.mark.parametrize("name", FILES)
def test_what_is_no_file_is_not_waited_for(config: Path, name: str) -> None:
    path = config / f"{name}.yaml"
    path.unlink()
    os.mkfifo(path)

    assert "cannot be read: not a file" in [
        one.message for one in mistakes_of(config, KEYS)
    ]


def test_an_endless_file_is_not_read_to_its_end(config: Path) -> None:
    path = config / "tiers.yaml"
    path.unlink()
    path.symlink_to("/dev/zero")

    assert "cannot be read: not a file" in [
        one.message for one in mistakes_of(config, KEYS)
    ]


def tiers_of(levels: int, width: int) -> str:
    names = [f"t{n}" for n in range(levels)]
    chains = [f"  t0: [{', '.join(['big', 'small'] * (width // 2))}]\n"]
    chains += [
        f"  {name}: [{', '.join([before] * width)}]\n"
        for before, name in pairwise(names)
    ]
    return "".join(chains)


@pytest.mark.parametrize(("levels", "width"), [(8, 40), (60, 60), (2_000, 2)])
def test_tiers_that_name_each_other_are_written_out_once(
    config: Path, levels: int, width: int
) -> None:
    change(config, "tiers", "tiers:\n", f"tiers:\n{tiers_of(levels, width)}")
    began = time.process_time()

    settings = load_settings(config, environ=KEYS)

    assert time.process_time() - began < SECONDS
    assert settings.tiers[f"t{levels - 1}"].chain == ("big", "small")


def test_a_circle_of_a_thousand_tiers_is_found(config: Path) -> None:
    names = [f"t{n}" for n in range(1_000)]
    text = "".join(
        f"  {name}: [big, {after}]\n"
        for name, after in zip(names, [*names[1:], "t0"], strict=True)
    )
    change(config, "tiers", "tiers:\n", f"tiers:\n{text}")

    assert "goes in a circle" in str(mistakes_of(config, KEYS)[0])


NUMBERS = [
    ("tiers", "[100 requests/day]", "['{9} requests/minute']"),
    ("tiers", "[100 requests/day]", "['{9} usd/month']"),
    ("tiers", "[100 requests/day]", "['{9}B tokens/day']"),
    ("tiers", "[100 requests/day]", "['5 requests/{9} minutes']"),
    ("tiers", "[100 requests/day]", "['{9} concurrent']"),
    ("tiers", "2 usd/run", "{9} usd/run"),
    ("tiers", "max_wait: 5m", "max_wait: {9}m"),
    ("tiers", "max_wait: 5m", "max_wait: {9}"),
    ("tiers", "max_calls: 50", "max_calls: {9}"),
    ("providers", "timeout: 5m", "timeout: {9}h"),
    ("providers", "timeout: 5m", "timeout: {9}"),
    ("providers", "20 requests/minute", "{9} requests/minute"),
    ("providers", "10 usd bought", "{9} usd bought"),
    ("providers", "output: 2.5", "output: {9}"),
    ("providers", "output: 2.5", "output: 1.0e+300"),
    ("providers", "class: free", "class: free\n    context_window: {9}"),
    ("agents", "patience: 30s", "patience: {9}s"),
    ("agents", "max_iter: 5", "max_iter: {9}"),
    ("agents", "max_iter: 5", "max_tokens: 0x{9}"),
]


@pytest.mark.parametrize("digits", [20, 400, 5_000])
@pytest.mark.parametrize(("file", "old", "new"), NUMBERS)
def test_a_number_beyond_all_counting_is_a_mistake(
    config: Path, file: str, old: str, new: str, digits: int
) -> None:
    change(config, file, old, new.replace("{9}", "9" * digits))

    (found,) = mistakes_of(config, KEYS)
    assert found.line is not None
    assert found.file.endswith(f"{file}.yaml")
    assert len(str(found)) < 400


def test_limits_as_large_as_any_provider_has_stay_valid(config: Path) -> None:
    change(
        config,
        "tiers",
        "[100 requests/day]",
        "[100B tokens/month, 5_000_000 usd/month, 1 requests/365 days]",
    )

    assert len(load_settings(config, environ=KEYS).quotas["user"]) == 3


LOGINS = [
    "https://user:pass-word-1@example.com/v1",
    "https://pass-word-1@example.com",
    "http://:pass-word-1@127.0.0.1:80/",
    "https://user:pass-word-1@[::1",
    "https://user%40x:pass-word-1@example.com",
]


@pytest.mark.parametrize("address", LOGINS)
@pytest.mark.parametrize("written", ["{}", "${WHERE}"])
def test_a_login_in_an_address_is_refused_and_not_shown(
    config: Path, address: str, written: str
) -> None:
    value = written.replace("{}", address)
    change(config, "providers", "http://127.0.0.1:1", f"'{value}'")

    (found,) = mistakes_of(config, {**KEYS, "WHERE": address})
    assert (found.line, found.key) == (13, "providers.beta.base_url")
    assert "pass-word" not in str(found)
    assert "allowed: http://HOST" in found.message
