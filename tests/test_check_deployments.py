"""`crew check`: what is known of each deployment before it is called."""

from datetime import date
from pathlib import Path

import pytest

from building import deployment, provider, role, settings
from crew.check.deployments import Row, check_deployments
from crew.errors import BadKey, ModelGone, Unreachable
from crew.providers.listing import Listed
from crew.providers.probe import Probe
from crew.settings import Deployment
from crew.settings import litellm_table as model_map
from test_emulator_kit import price

TODAY = date(2026, 11, 24)


@pytest.fixture(autouse=True)
def table(monkeypatch: pytest.MonkeyPatch) -> None:
    """A small table in place of litellm's, whose dates change."""
    common = {"mode": "chat", "litellm_provider": "vendor"}
    small = {
        "vendor/alive": {**common, "max_input_tokens": 9_000},
        "vendor/limited": {
            **common,
            "max_input_tokens": 9_000,
            "max_output_tokens": 512,
            "supports_vision": False,
            "supports_function_calling": False,
        },
        "vendor/flash-1": {**common, "deprecation_date": "2026-06-01"},
        "vendor/flash-2": {**common, "deprecation_date": "2027-01-10"},
        "vendor/flash-3": {**common, "deprecation_date": "2028-01-10"},
    }
    monkeypatch.setattr(model_map, "_table", lambda: small)


def rows(tmp_path: Path, *deployments: Deployment, **fields: object) -> list[Row]:
    made = settings(deployments, tmp_path, **fields)
    return check_deployments(made, TODAY, {})


def one(**fields: object) -> Deployment:
    usual = {"model": "vendor/alive", "context_window": 9_000}
    return deployment("d", provider("v"), **{**usual, **fields})


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
        ({"model": "vendr/alive"}, "is vendr/ meant to be vendor/?"),
        ({"model": "unheard-of"}, "WITHOUT A PREFIX such as openai/"),
        ({"price": None}, "price unknown"),
        (
            {"model": "vendor/flash-3", "context_window": 128_000},
            "window taken as 128,000 tokens",
        ),
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
        "tools by text: it is asked to write its calls",
    )
    assert rows(tmp_path, blind, roles=[role("writer")])[0].notes == ("key set",)


@pytest.mark.parametrize(
    ("fields", "note"),
    [
        ({"vision": True}, "litellm says: cannot see"),
        (
            {"vision": True, "tools": True},
            "litellm says: cannot see, cannot call tools",
        ),
        ({"context_window": 9_001}, "litellm says: window 9,000, not 9,001"),
        ({"max_output": 700}, "litellm says: output 512, not 700"),
        ({"context_window": 8_000, "max_output": 512}, None),
    ],
)
def test_where_litellm_says_otherwise_than_the_yaml_is_told(
    tmp_path: Path, fields: dict[str, object], note: str | None
) -> None:
    modest = {"model": "vendor/limited", "max_output": 512, "tools": False}

    (row,) = rows(tmp_path, one(**{**modest, **fields}))

    assert row.notes == (("key set", note) if note else ("key set",))


# What the providers said.


def reported(tmp_path: Path, probe: Probe, **fields: object) -> tuple[str, ...]:
    """The notes about a deployment that come of what its provider said."""
    made = settings([one(**{"vision": True, **fields})], tmp_path)
    (row,) = check_deployments(made, TODAY, {"d": probe})
    assert row.notes[0] == "key set"
    return row.notes[1:]


def listed(**fields: object) -> Probe:
    return Probe(models={"alive": Listed(**fields)})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("probe", "notes"),
    [
        (listed(), ["asked: it has this model"]),
        (Probe(), ["asked: it answers, and lists no models"]),
        (Probe(error=BadKey("v", status=401)), ["asked: BadKey (401)"]),
        (
            Probe(error=Unreachable("v", "no connection")),
            ["asked: no connection"],
        ),
        (
            Probe(models={"alive-2": Listed(), "alife": Listed(unusable="retired")}),
            ["asked: it DOES NOT LIST this model, perhaps vendor/alive-2 instead"],
        ),
        (
            Probe(models={"zzz": Listed()}),
            ["asked: it DOES NOT LIST this model"],
        ),
        (
            Probe(models={"zzz": Listed()}, whole=False),
            ["asked: it does not list this model among the first"],
        ),
        (
            Probe(called="d"),
            ["asked: it lists no models; it was called, and answers"],
        ),
        (
            Probe(called="other"),
            ["asked: it lists no models; other was called, and answers"],
        ),
        (
            Probe(called="d", error=ModelGone("v", status=404)),
            ["asked: it lists no models; it was called: ModelGone (404)"],
        ),
        (
            Probe(called="d", refused="d: 2 usd/month"),
            ["asked: it lists no models; it was not called: d: 2 usd/month"],
        ),
    ],
)
def test_what_a_provider_answered_is_told(
    tmp_path: Path, probe: Probe, notes: list[str]
) -> None:
    assert list(reported(tmp_path, probe)) == notes


@pytest.mark.parametrize(
    ("said", "note"),
    [
        ({"vision": False}, "cannot see"),
        ({"tools": False}, "cannot call tools"),
        ({"context_window": 4_000}, "window 4,000, not 9,000"),
        ({"max_output": 4_096}, "output 4,096, not 8,192"),
        ({"price": price("0.065", "0.18")}, "price 0.065/0.18 usd, not 0/0 usd"),
        ({"retires": date(2026, 12, 1)}, "retires 2026-12-01"),
        (
            {"retires": date(2026, 11, 1), "successor": "alive-2"},
            "was to retire 2026-11-01, then alive-2",
        ),
        ({"unusable": "not for chat"}, "NOT FOR CHAT"),
        (
            {"vision": False, "tools": False, "context_window": 1},
            "cannot see, cannot call tools, window 1, not 9,000",
        ),
    ],
)
def test_where_a_provider_says_otherwise_than_the_yaml_is_told(
    tmp_path: Path, said: dict[str, object], note: str
) -> None:
    assert reported(tmp_path, listed(**said)) == (
        "asked: it has this model",
        f"it says: {note}",
    )


@pytest.mark.parametrize(
    "said",
    [
        {"vision": True, "tools": True, "context_window": 9_000, "max_output": 8_192},
        {"context_window": 1_000_000, "price": price("0.00", "0E+1")},
        {"retires": date(2027, 6, 1)},
    ],
)
def test_what_agrees_with_the_yaml_or_is_far_off_is_not_told(
    tmp_path: Path, said: dict[str, object]
) -> None:
    assert reported(tmp_path, listed(**said)) == ("asked: it has this model",)


def test_a_price_that_only_the_provider_knows_is_told(tmp_path: Path) -> None:
    notes = reported(tmp_path, listed(price=price("1", "20")), price=None)

    assert notes == (
        "price unknown",
        "asked: it has this model",
        "it says: price 1/20 usd",
    )


def test_a_date_that_litellm_has_too_is_told_once(tmp_path: Path) -> None:
    probe = Probe(models={"flash-2": Listed(retires=date(2027, 1, 10))})

    notes = reported(tmp_path, probe, model="vendor/flash-2")

    assert notes == (
        "retires 2027-01-10, perhaps vendor/flash-3 instead",
        "asked: it has this model",
    )


def test_what_litellm_and_the_provider_both_say_is_told_once(tmp_path: Path) -> None:
    probe = Probe(models={"limited": Listed(vision=False, context_window=8_000)})

    notes = reported(tmp_path, probe, model="vendor/limited", max_output=512)

    assert notes == (
        "litellm says: cannot call tools",
        "asked: it has this model",
        "it says: cannot see, window 8,000, not 9,000",
    )
