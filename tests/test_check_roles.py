"""What the roles ask of their chains, and what is said when nobody can do it."""

from dataclasses import replace
from pathlib import Path

import pytest

from building import deployment, provider, role, settings
from crew.check.roles import calls, passed_over, unserved
from crew.errors import BadKey, Unreachable
from crew.providers.listing import Listed
from crew.providers.probe import Probe
from crew.settings import Settings, TaskSpec

SEER = role("seer", tools=("look_at_image",), kind="vision")


def task(name: str, agent: str | None, **fields: object) -> TaskSpec:
    made = TaskSpec(name=name, description="do", expected_output="it", agent=agent)
    return replace(made, **fields)


def work(made: Settings) -> set[tuple[str, str | None, str | None]]:
    return {(call.role, call.kind, call.complexity) for call in calls(made)}


def test_a_role_works_as_its_tasks_say_and_the_manager_on_all(tmp_path: Path) -> None:
    made = settings(
        [deployment("a", provider("one"))],
        tmp_path,
        roles=[
            role("manager", kind="orchestration"),
            role("coder", kind="coding"),
            role("idle", kind="review"),
        ],
        tasks=[
            task("code", "coder", complexity="high"),
            task("tests", "coder", kind="testing", complexity="low"),
        ],
    )

    assert work(made) == {
        ("manager", "orchestration", "high"),
        ("manager", "orchestration", "low"),
        ("coder", "coding", "high"),
        ("coder", "testing", "low"),
        ("idle", "review", None),
    }


def test_a_task_without_an_agent_may_be_anybodys(tmp_path: Path) -> None:
    made = settings(
        [deployment("a", provider("one"))],
        tmp_path,
        roles=[role("coder", kind="coding"), role("writer")],
        tasks=[task("any", None, kind="review", complexity="low")],
    )

    # What the YAML says of a task holds for whoever the manager chooses.
    assert work(made) == {("coder", "review", "low"), ("writer", "review", "low")}


def test_images_are_asked_about_without_tools_and_the_manager_has_some(
    tmp_path: Path,
) -> None:
    made = settings(
        [deployment("a", provider("one"))],
        tmp_path,
        roles=[SEER, role("manager"), role("writer")],
    )
    asked = {(call.role, call.tools, call.vision) for call in calls(made)}
    alone = {call.tools for call in calls(replace(made, process="sequential"))}

    assert asked == {
        ("seer", True, False),
        ("seer", False, True),
        ("manager", True, False),
        ("writer", False, False),
    }
    assert alone == {True, False}


def test_who_is_passed_over_follows_the_rule_and_the_tier_not_what_comes_after(
    tmp_path: Path,
) -> None:
    one = provider("one")
    made = settings(
        [
            deployment("ruled", one),
            deployment("high", one, tools=False, vision=True),
            deployment("own", one, vision=True),
            deployment("after", one, tools=False),
        ],
        tmp_path,
        tiers={"mid": (["own"], "last"), "last": (["after"], None)},
        roles=[SEER],
        tasks=[task("look", "seer", complexity="high")],
        routing={"vision": ("ruled",), "vision.high": ("high",)},
    )

    assert passed_over(made) == {"high": ("tools",), "own": ()}
    assert passed_over(replace(made, routing={"vision": ("ruled",)})) == {
        "ruled": ("images",),
        "own": (),
    }


def seen_by(tmp_path: Path, **fields: object) -> Settings:
    """One that sees without a key, and one that is blind with a key."""
    return settings(
        [
            deployment("eye", provider("far", api_key=None), vision=True),
            deployment("blind", provider("near"), **fields),
        ],
        tmp_path,
        tiers={"mid": (["eye"], "last"), "last": (["blind"], None)},
        roles=[SEER],
        tasks=[task("look", "seer", complexity="low")],
    )


def test_a_role_whose_chain_cannot_see_is_told_with_the_key_that_helps(
    tmp_path: Path,
) -> None:
    assert unserved(seen_by(tmp_path), {}) == [
        "seer (vision.low, tier mid): no deployment with a key can see images; "
        "a working key is needed: FAR_API_KEY"
    ]


def test_a_role_whose_chain_has_no_native_tools_is_served_by_text(
    tmp_path: Path,
) -> None:
    made = seen_by(tmp_path, tools=False, vision=True)

    assert unserved(made, {}) == []


def test_a_late_fallback_that_can_is_enough(tmp_path: Path) -> None:
    assert unserved(seen_by(tmp_path, vision=True), {}) == []


def test_a_rule_that_leads_to_one_that_can_is_enough(tmp_path: Path) -> None:
    made = seen_by(tmp_path)
    eye = deployment("spare", provider("near"), vision=True)
    deployments = {**made.deployments, "spare": eye}
    ruled = replace(made, deployments=deployments, routing={"vision.low": ("spare",)})

    assert unserved(ruled, {}) == []
    assert len(unserved(replace(ruled, routing={"vision.high": ("spare",)}), {})) == 1


def test_a_chain_without_any_key_is_told_and_a_rehearsal_has_them_all(
    tmp_path: Path,
) -> None:
    made = seen_by(tmp_path)
    tiers = {"mid": replace(made.tiers["mid"], then=None)}
    short = replace(made, tiers=tiers)
    keyless = replace(
        short,
        providers={n: replace(p, api_key=None) for n, p in short.providers.items()},
    )

    assert unserved(short, {}) == [
        "seer (vision.low, tier mid): no deployment has a key that works; "
        "a working key is needed: FAR_API_KEY"
    ]
    assert unserved(keyless, {}, rehearsed=True) == []


def test_a_need_that_no_key_would_meet_asks_for_another_chain(tmp_path: Path) -> None:
    made = settings([deployment("blind", provider("one"))], tmp_path, roles=[SEER])
    keyless = replace(
        made, providers={"one": replace(made.providers["one"], api_key=None)}
    )

    for one, rehearsed in ((made, False), (keyless, True)):
        assert unserved(one, {}, rehearsed=rehearsed) == [
            "seer (vision, tier mid): no deployment with a key can see images; "
            "name one that can in tiers.yaml"
        ]


@pytest.mark.parametrize(
    "said",
    [
        Probe(models={"blind": Listed(vision=False)}),
        Probe(error=BadKey("near", status=401)),
    ],
)
def test_the_providers_word_goes_before_the_yaml(tmp_path: Path, said: Probe) -> None:
    made = seen_by(tmp_path, vision=True)

    (line,) = unserved(made, {"blind": said})

    assert line.startswith("seer (vision.low, tier mid): no deployment ")
    assert unserved(made, {"blind": Probe(models={"blind": Listed()})}) == []


def test_a_local_model_that_is_not_there_serves_nobody(tmp_path: Path) -> None:
    made = seen_by(tmp_path)
    local = provider("home", api_key=None, local=True)
    eye = deployment("own", local, vision=True)
    tier = replace(made.tiers["last"], chain=("blind", "own"))
    made = replace(
        made,
        deployments={**made.deployments, "own": eye},
        tiers={**made.tiers, "last": tier},
    )

    assert unserved(made, {}) == []
    assert len(unserved(made, {"own": Probe(error=Unreachable("home"))})) == 1
