"""experiments.yaml: what it may say, and where a mistake is."""

from decimal import Decimal
from pathlib import Path

import pytest

from crew.settings import ArmSpec
from crew.settings.loader import load_settings
from crew.settings.snapshot import take
from small_config import mistakes_of, write_files


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return write_files(tmp_path / "config")


def put(config: Path, text: str) -> Path:
    (config / "experiments.yaml").write_text(text, encoding="utf-8")
    return config


def test_without_the_file_there_is_no_experiment(config: Path) -> None:
    assert load_settings(config, environ={}).experiments == {}


def test_an_experiment_is_what_the_file_says(config: Path) -> None:
    put(
        config,
        "experiments:\n"
        "  usual: {role: coder, arms: [big, small], share: 12.5 %, decide_at: 40}\n",
    )

    found = load_settings(config, environ={}).experiments["usual"]

    assert (found.name, found.role) == ("usual", "coder")
    assert found.arms == (ArmSpec(deployment="big"), ArmSpec(deployment="small"))
    assert (found.share, found.decide_at) == (Decimal("0.125"), Decimal(40))


def test_each_form_of_an_arm_has_a_name(config: Path) -> None:
    put(
        config,
        "experiments:\n"
        "  usual: {role: coder, arms: [big, {prompt: direct}, {deployment: small, "
        "prompt: step_by_step}]}\n",
    )

    arms = load_settings(config, environ={}).experiments["usual"].arms

    names = ["big", "prompt direct", "small with prompt step_by_step"]
    assert [arm.name for arm in arms] == names
    put(
        config,
        "experiments:\n"
        "  usual:\n"
        "    role: coder\n"
        "    arms: [{ladder: [mid, senior]}, {ladder: [small, big]}]\n",
    )
    arms = load_settings(config, environ={}).experiments["usual"].arms
    assert [arm.name for arm in arms] == ["mid > senior", "small > big"]
    put(
        config,
        "experiments:\n"
        "  usual:\n"
        "    role: coder\n"
        "    arms:\n"
        "      - {pattern: none}\n"
        "      - pattern: {planner: mid, caller: [small, mid], summarizer: big}\n",
    )
    arms = load_settings(config, environ={}).experiments["usual"].arms
    assert [arm.name for arm in arms] == [
        "no pattern",
        "pattern {planner: mid, caller: [small, mid], summarizer: big}",
    ]


@pytest.mark.parametrize(
    ("entry", "key", "words"),
    [
        ("role: codr, arms: [big, small]", "role", "did you mean 'coder'?"),
        ("role: manager, arms: [big, small]", "role", "no task of tasks.yaml"),
        ("arms: [big, small]", "role", "missing"),
        ("role: coder, arms: [big]", "arms", "names 1; allowed: at least 2"),
        ("role: coder, arms: [big, smal]", "arms[1]", "did you mean 'small'?"),
        ("role: coder, arms: [big, big]", "arms[1]", "is there twice"),
        ("role: coder, arms: [big, 3]", "arms[1]", "found 3; allowed: a deployment"),
        ("role: coder, arms: [big, {prompt: shouting}]", "arms[1]", "unknown prompt"),
        ("role: coder, arms: [big, {ladder: [big]}]", "arms[1]", "allowed: a deploy"),
        ("role: coder, arms: [big, {ladder: [mid, senior]}]", "arms[1]", "or none"),
        ("role: coder, arms: [big, {pattern: {editor: mid}}]", "arms[1]", "found edit"),
        ("role: coder, arms: [big, {pattern: all}]", "arms[1]", "{pattern: none}"),
        (
            "role: coder, arms: [big, {pattern: {architect: smal, editor: []}}]",
            "arms[1]",
            "for editor",
        ),
        (
            "role: coder, arms: [big, {pattern: {architect: big, editor: big}}]",
            "arms[1]",
            "need edit_file or write_file in `tools` (of coder)",
        ),
        (
            "role: coder, arms: [big, "
            "{pattern: {planner: bigg, caller: big, summarizer: big}}]",
            "arms[1]",
            "did you mean 'big'?",
        ),
        ("role: coder, arms: [big, small], share: 0 %", "share", "over 0 %"),
        ("role: coder, arms: [big, small], share: half", "share", "allowed: a share"),
        ("role: coder, arms: [big, small], decide_at: 1", "decide_at", "from 2 to"),
        ("role: coder, arms: [big, small], decide_at: .inf", "decide_at", "from 2 to"),
        ("role: coder, arms: [big, small], sed: 1", "sed", "did you mean 'seed'?"),
        ("role: coder, arms: [big, small], seed: x", "seed", ""),
    ],
)
def test_a_mistake_is_placed(config: Path, entry: str, key: str, words: str) -> None:
    put(config, f"# ours\nexperiments:\n  usual: {{{entry}}}\n")

    (found,) = mistakes_of(config)

    assert Path(found.file).name == "experiments.yaml"
    assert (found.line, found.key) == (3, f"experiments.usual.{key}")
    assert words in found.message


def test_a_style_that_an_arm_alone_names_is_read(config: Path) -> None:
    put(config, "experiments:\n  usual: {role: coder, arms: [big, {prompt: own.md}]}\n")

    (absent,) = mistakes_of(config)
    (config / "own.md").write_text("Think twice.")
    found = load_settings(config, environ={})

    assert (Path(absent.file).name, absent.line) == ("experiments.yaml", 2)
    assert absent.key == "experiments.usual.arms[1].prompt"
    assert "there is no file" in absent.message
    assert found.styles["own.md"].text == "Think twice."
    assert take(config).digests.keys() >= {"own.md"}
    (config / "own.md").write_text("Think once.")
    assert load_settings(config, environ={}).config_hash != found.config_hash


def test_mistakes_of_the_whole_file_are_placed(config: Path) -> None:
    two = "experiments:\n  a: {role: coder, arms: [big, small]}\n"

    (found,) = mistakes_of(put(config, two + two.splitlines()[1].replace("a:", "b:")))
    assert "coder is in the experiment 'a', too" in found.message
    (found,) = mistakes_of(put(config, two + "more: 1\n"))
    assert (found.line, found.key) == (3, "more")
    (found,) = mistakes_of(put(config, two.replace("a:", "'a:b':")))
    assert "a name cannot hold ':'" in found.message
    (found,) = mistakes_of(put(config, "experiments: [a]\n"))
    assert found.line == 1


def test_the_file_counts_for_the_hash_and_for_trust(config: Path) -> None:
    before = load_settings(config, environ={}).config_hash
    put(config, "experiments: {}\n")

    assert load_settings(config, environ={}).config_hash != before
    assert "experiments.yaml" in take(config).digests
