"""`crew check`: what is known of each deployment before it is called."""

import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from building import deployment, provider, role, settings
from crew import model_map
from crew.checkup import Row, ask_accounts, check_deployments
from crew.errors import BadKey
from crew.providers.online import Account
from crew.settings import Deployment, Provider

TODAY = date(2026, 11, 24)


@pytest.fixture(autouse=True)
def listed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A small table in place of litellm's, whose dates change."""
    common = {"mode": "chat", "litellm_provider": "vendor"}
    table = {
        "vendor/alive": {**common, "max_input_tokens": 9_000},
        "vendor/flash-1": {**common, "deprecation_date": "2026-06-01"},
        "vendor/flash-2": {**common, "deprecation_date": "2027-01-10"},
        "vendor/flash-3": {**common, "deprecation_date": "2028-01-10"},
    }
    monkeypatch.setattr(model_map, "_table", lambda: table)


def rows(tmp_path: Path, *deployments: Deployment, **fields: object) -> list[Row]:
    made = settings(deployments, tmp_path, **fields)
    return check_deployments(made, TODAY, {})


def one(**fields: object) -> Deployment:
    return deployment("d", provider("v"), **{"model": "vendor/alive", **fields})


def test_what_is_in_order_has_nothing_but_its_key_to_tell(tmp_path: Path) -> None:
    assert rows(tmp_path, one()) == [
        Row(deployment="d", model="vendor/alive", notes=("key set",))
    ]


@pytest.mark.parametrize(
    ("fields", "note"),
    [
        ({"model": "vendor/flash-1"}, "RETIRED 2026-06-01, perhaps vendor/flash-"),
        ({"model": "vendor/flash-2"}, "retires 2027-01-10, perhaps vendor/flash-3"),
        ({"model": "vendor/unheard-of"}, "litellm does not list this id"),
        ({"price": None}, "price unknown"),
        ({"model": "vendor/flash-3"}, "window taken as 128,000 tokens"),
        ({"provider": provider("v", api_key=None)}, "no key: V_API_KEY is not set"),
    ],
)
def test_what_may_go_wrong_is_told(
    tmp_path: Path, fields: dict[str, object], note: str
) -> None:
    (row,) = rows(tmp_path, one(**fields))

    assert any(found.startswith(note) for found in row.notes)


def test_what_a_chain_needs_and_a_deployment_cannot_is_told(tmp_path: Path) -> None:
    blind = one(vision=False, tools=False)
    seer = role("seer", tools=("look_at_image",))

    (row,) = rows(tmp_path, blind, roles=[seer])

    assert row.notes[1:] == (
        "cannot see: passed over for images",
        "cannot call tools: passed over by roles that have some",
    )
    assert rows(tmp_path, blind, roles=[role("writer")])[0].notes == ("key set",)


def test_each_provider_with_a_key_is_asked_once(tmp_path: Path) -> None:
    shared, keyless = provider("v"), provider("none", api_key=None)
    made = settings(
        [
            one(),
            replace(one(), name="gone", model="vendor/flash-1"),
            deployment("x", keyless),
            deployment("y", provider("wrong")),
            deployment("z", provider("terse")),
        ],
        tmp_path,
    )
    asked: list[str] = []

    def ask(by: Provider, family: str) -> Account:
        asked.append(f"{by.name} as {family}")
        if by.name == "wrong":
            return Account(error=BadKey("wrong", status=401))
        return Account(models=frozenset({"alive"} if by.name == shared.name else ()))

    found = check_deployments(made, TODAY, ask_accounts(made, ask))

    assert asked == ["v as vendor", "wrong as openai", "terse as openai"]
    assert {row.deployment: row.notes[-1] for row in found} == {
        "d": "asked: it has this model",
        "gone": "asked: it DOES NOT LIST this model",
        "x": "window taken as 128,000 tokens",
        "y": "asked: BadKey (401)",
        "z": "asked: it answers",
    }
    assert "sk-" not in json.dumps([row.notes for row in found])
