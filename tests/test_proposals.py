"""What `crew check` proposes in place of a model that goes, or that costs more."""

from collections.abc import Mapping
from datetime import date
from pathlib import Path

import pytest
import yaml

from building import deployment, provider, settings
from configured import KEY
from crew.cli import main
from crew.models import Place, Proposal, catalogue, place_of, proposals
from crew.providers.listing import Listed
from crew.providers.probe import Probe
from crew.settings import Deployment
from crew.settings import litellm_table as model_map
from crew.settings.loader import load_settings
from scripted import Scripted
from test_emulator_kit import price

TODAY = date(2026, 11, 26)
ABLE = Listed(vision=True, tools=True, context_window=200_000, price=price("2", "10"))


@pytest.fixture(autouse=True)
def table(monkeypatch: pytest.MonkeyPatch) -> None:
    """A small table in place of litellm's, whose prices and dates change."""

    def entry(cost: float, **facts: object) -> dict[str, object]:
        return {
            "mode": "chat",
            "litellm_provider": "vendor",
            "input_cost_per_token": cost / 1e6,
            "output_cost_per_token": cost * 5 / 1e6,
            "max_input_tokens": 200_000,
            "supports_vision": True,
            "supports_function_calling": True,
            **facts,
        }

    page = "https://vendor.example/deprecations"
    small = {
        "vendor/poet-4": entry(
            3,
            deprecation_date="2026-12-01",
            successor_model="poet-4-5",
            deprecation_source=page,
        ),
        "vendor/poet-4-5": entry(
            3, deprecation_date="2026-11-01", successor_model="vendor/poet-5"
        ),
        "vendor/poet-5": entry(2),
        "vendor/poet-5-5": entry(1),
        "vendor/poet-6": entry(0.5, supports_vision=False),
        "vendor/poet-7": entry(0.4, max_input_tokens=9_000),
        "vendor/poet-8": entry(0.3, deprecation_date="2026-12-24"),
        "vendor/blind-1": entry(
            1, deprecation_date="2026-01-01", successor_model="vendor/blind-2"
        ),
        "vendor/blind-2": entry(1, supports_vision=None),
        "vendor/sees-1": entry(1),
        "vendor/scribe-mini": entry(0.01),
    }
    monkeypatch.setattr(model_map, "_table", lambda: small)


def one(model: str, **fields: object) -> Deployment:
    usual = {
        "price": price("3", "15"),
        "vision": True,
        "context_window": 200_000,
        "model": f"vendor/{model}",
    }
    return deployment("slot", provider("vendor"), **{**usual, **fields})


def proposed(
    tmp_path: Path,
    *deployments: Deployment,
    lists: Mapping[Place, Probe] | None = None,
    **fields: object,
) -> list[Proposal]:
    made = settings(deployments, tmp_path, **fields)
    return proposals(made, catalogue(made, lists or {}, TODAY))


def model_in(proposal: Proposal) -> str:
    """The id in the lines, as YAML reads them."""
    return str(yaml.safe_load("\n".join(proposal.lines))["model"])


# The successor.


def test_the_successor_that_is_named_and_alive_is_proposed(tmp_path: Path) -> None:
    (found,) = proposed(tmp_path, one("poet-4"))

    assert found.why.startswith("vendor/poet-4 retires 2026-12-01 (litellm ")
    assert "https://vendor.example/deprecations" in found.why
    assert "names it as the successor; 2/10 usd (now 3/15 usd)" in found.evidence
    assert "window 200,000 (the same), sees images and calls tools" in found.evidence
    assert yaml.safe_load("\n".join(found.lines)) == {
        "model": "vendor/poet-5",
        "price": {"input": 2, "output": 10},
    }


def test_what_is_not_known_to_see_follows_nothing_that_sees(tmp_path: Path) -> None:
    (found,) = proposed(tmp_path, one("blind-1"))
    (blind,) = proposed(tmp_path, one("blind-1", vision=False))

    assert "blind-2 is named as its successor, but it is not known to see images" in (
        found.why
    )
    assert all("blind" not in text for text in found.lines)
    assert model_in(blind) == "vendor/blind-2"


def test_where_nothing_can_do_it_nothing_is_to_be_copied(tmp_path: Path) -> None:
    by = provider("elsewhere")
    (found,) = proposed(
        tmp_path,
        one("x", provider=by),
        lists={
            Place(provider="elsewhere", family="vendor"): Probe(
                models={"y": Listed(tools=False)}
            )
        },
    )

    assert found.why == "vendor/x is not listed by elsewhere any more, asked 2026-11-26"
    assert found.lines == ()


def test_what_is_not_listed_any_more_is_followed_by_its_line(tmp_path: Path) -> None:
    gone = one("poet-3")
    lists = {
        place_of(gone): Probe(
            models={
                "poet-4": ABLE,
                "poet-9": ABLE,
                "prose-3": ABLE,
                "poet-10": Listed(),
            }
        )
    }

    (found,) = proposed(tmp_path, gone, lists=lists)

    assert model_in(found) == "vendor/poet-9"
    assert "a guess by its name alone: look it up" in found.evidence
    assert "checked: 2026-11-26" in found.lines


def test_the_providers_own_word_goes_before_the_table(tmp_path: Path) -> None:
    here = one("poet-4")
    said = Listed(retires=date(2026, 12, 2), successor="prose-1")
    lists = {place_of(here): Probe(models={"poet-4": said, "prose-1": ABLE})}

    (found,) = proposed(tmp_path, here, lists=lists)

    assert "retires 2026-12-02 (vendor's list of 2026-11-26)" in found.why
    assert model_in(found) == "vendor/prose-1"
    assert "its provider's list names it" in found.evidence


def test_the_first_of_a_list_does_not_say_what_is_gone(tmp_path: Path) -> None:
    here = one("sees-1", price=price("0", "0"))
    lists = {place_of(here): Probe(models={"other": ABLE}, whole=False)}

    assert proposed(tmp_path, here, lists=lists) == []


def test_a_free_deployment_stays_free(tmp_path: Path) -> None:
    by = provider("gemini")
    gone = deployment("slot", by, model="gemini/gemini-3-flash-lite", vision=True)
    lists = {
        place_of(gone): Probe(
            models={"gemini-3.5-flash-lite": Listed(vision=True, tools=True)}
        )
    }

    (found,) = proposed(tmp_path, gone, lists=lists)

    assert "free within 15 requests/minute" in found.evidence
    assert found.lines == ("model: gemini/gemini-3.5-flash-lite", "checked: 2026-11-26")


def test_what_the_model_before_was_given_is_pointed_at(tmp_path: Path) -> None:
    here = one("poet-4", klass="poets", parameters={"reasoning_effort": "none"})

    (found,) = proposed(tmp_path, here)

    assert "# its `parameters` may not be right for this model" in found.lines
    assert "# its `class` and `limits` are those of the model before" in found.lines


# The cheaper sibling.


def test_a_later_one_of_the_line_that_does_the_same_for_less(tmp_path: Path) -> None:
    (found,) = proposed(tmp_path, one("poet-5"))

    # 6 cannot see, 7 reads too little, 8 goes before long.
    assert model_in(found) == "vendor/poet-5-5"
    assert found.why == "vendor/poet-5 costs 3/15 usd"
    assert "a later one of its line; 1/5 usd (now 3/15 usd)" in found.evidence


@pytest.mark.parametrize(
    "fields",
    [
        {"price": None},
        {"price": price("0", "0")},
        {"price": price("1", "5")},
        {"price": price("0.9", "99")},  # dearer to send: nobody knows the shares
        {"context_window": 300_000},
    ],
)
def test_nothing_is_proposed_where_nothing_is_gained(
    tmp_path: Path, fields: dict[str, object]
) -> None:
    assert proposed(tmp_path, one("poet-5", **fields)) == []


def test_what_has_no_later_one_in_its_line_has_no_sibling(tmp_path: Path) -> None:
    assert proposed(tmp_path, one("sees-1")) == []


def test_what_no_chain_names_has_no_sibling(tmp_path: Path) -> None:
    other = deployment("other", provider("vendor"), model="vendor/sees-1")
    here = one("poet-5")

    found = proposed(tmp_path, here, other, tiers={"mid": (["other"], None)})

    assert found == []


def test_the_same_model_at_a_provider_with_a_key(tmp_path: Path) -> None:
    here = one("sees-1")
    elsewhere = deployment("e", provider("openrouter"), model="openrouter/v/e")
    closed = deployment("c", provider("groq", api_key=None), model="groq/sees-1")
    lists = {
        place_of(elsewhere): Probe(models={"v/e": ABLE, "made/sees-1:free": ABLE}),
        place_of(closed): Probe(models={"sees-1": ABLE}),
    }

    (found,) = proposed(tmp_path, here, elsewhere, lists=lists)

    assert found.lines[:2] == (
        "provider: openrouter",
        "model: openrouter/made/sees-1:free",
    )
    assert "the same model at openrouter; 2/10 usd" in found.evidence


def test_what_the_yaml_has_already_is_not_proposed(tmp_path: Path) -> None:
    better = deployment("better", provider("vendor"), model="vendor/poet-5-5")

    assert proposed(tmp_path, one("poet-5"), better) == []


@pytest.mark.parametrize("name", ["poet-6${ONE_API_KEY}", "poet-6: x", "poet-6\n#"])
def test_a_name_that_yaml_would_read_otherwise_is_not_proposed(
    tmp_path: Path, name: str
) -> None:
    gone = one("poet-3")
    lists = {place_of(gone): Probe(models={name: ABLE})}

    (found,) = proposed(tmp_path, gone, lists=lists)

    assert found.lines == ()


# `crew check`.


def test_check_prints_lines_that_the_yaml_takes(
    config: Path, server: Scripted, capsys: pytest.CaptureFixture[str]
) -> None:
    providers = config / "providers.yaml"
    text = providers.read_text().replace(
        "smith: {provider: one, model: openai/smith",
        "smith: {provider: vendor, model: vendor/poet-4",
    )
    text = text.replace("providers:\n", "providers:\n  vendor: {api_key: sk-v}\n", 1)
    text = text.replace("sk-v", f"'${{{KEY}}}'")
    providers.write_text(text)

    assert main(["check"]) == 0

    shown = capsys.readouterr().out
    assert "Proposals for providers.yaml (nothing is changed by itself)" in shown
    block = shown.partition("  smith: vendor/poet-4 retires 2026-12-01")[2]
    lines = [one for one in block.splitlines() if one.startswith("      ")]
    changed = yaml.safe_load("\n".join(lines))
    whole = yaml.safe_load(text)
    whole["deployments"]["smith"].update(changed)
    providers.write_text(yaml.safe_dump(whole))
    made = load_settings(config, environ={KEY: "sk-x"})
    assert made.deployments["smith"].model == "vendor/poet-5"
    assert made.deployments["smith"].price == price("2", "10")


def test_check_online_proposes_what_the_provider_lists(
    config: Path, server: Scripted, capsys: pytest.CaptureFixture[str]
) -> None:
    providers = config / "providers.yaml"
    providers.write_text(providers.read_text().replace("openai/smith", "mistral/smith"))
    able = {"capabilities": {"function_calling": True, "vision": False}}
    server.pages["/v1/models"] = (
        200,
        {
            "data": [
                {
                    "id": "smith",
                    "deprecation": "2026-12-01T00:00:00Z",
                    "deprecation_replacement_model": "smith-2",
                    **able,
                },
                {"id": "smith-2", **able},
            ]
        },
    )
    before = providers.read_bytes()

    assert main(["check", "--online"]) == 0

    shown = capsys.readouterr().out
    assert "      model: mistral/smith-2\n" in shown
    assert providers.read_bytes() == before
