"""A bench closes a deployment for everybody, until its end or until it is lifted."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from building import deployment, provider, settings
from crew.cli import main
from crew.clock import Clock, ManualClock, SystemClock
from crew.errors import QuotaExceeded
from crew.guard import QuotaGuard
from crew.journal import Journal
from crew.quota.store import Store
from crew.quota.stores import open_store
from crew.routing import Request
from quality import Day, mostly
from redis_server import fresh_url
from small_config import change, mistakes_of, write_files

Open = Callable[[Clock], Store]


@pytest.fixture(params=["memory", "sqlite", "redis"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    urls = {"memory": "memory:", "sqlite": f"sqlite:///{tmp_path}/quota.db"}
    url = urls.get(request.param) or fresh_url()
    stores: list[Store] = []

    def open_one(clock: Clock) -> Store:
        # What is in memory is shared by the threads of its one store.
        if not stores or request.param != "memory":
            stores.append(open_store(url, clock))
        return stores[-1]

    yield open_one
    for store in stores:
        store.close()


def guards(opened: Open, tmp_path: Path) -> tuple[ManualClock, QuotaGuard, QuotaGuard]:
    """Two processes of one team."""
    clock = ManualClock()
    chain = [deployment(name, provider(f"p-{name}")) for name in ("qwen", "glm")]
    config = settings(chain, tmp_path, max_wait=0.0)
    one, other = (QuotaGuard(config, opened(clock), clock) for _ in range(2))
    return clock, one, other


def served(guard: QuotaGuard) -> str:
    request = Request(tier="mid", input_tokens=10, output_tokens=10)
    lease = guard.begin(request).acquire()
    lease.keep()
    return lease.deployment.name


def test_everybody_sees_a_bench_until_its_end(opened: Open, tmp_path: Path) -> None:
    clock, one, other = guards(opened, tmp_path)
    before = served(other)

    one.benches.put("qwen", seconds=7_200, reason="worse")

    assert (before, served(other)) == ("qwen", "glm")
    (bench,) = other.benches.standing()
    assert (bench.deployment, bench.reason) == ("qwen", "worse")
    assert bench.until == pytest.approx(clock.now() + 7_200)
    clock.advance(7_201)
    assert served(other) == "qwen"
    assert other.benches.standing() == []


def test_everybody_knows_for_days_when_a_bench_ended(
    opened: Open, tmp_path: Path
) -> None:
    clock, one, other = guards(opened, tmp_path)
    began = clock.now()
    assert other.benches.end("qwen") is None

    one.benches.put("qwen", seconds=7_200, reason="worse")
    clock.advance(86_400)

    assert other.benches.end("qwen") == pytest.approx(began + 7_200)
    assert other.benches.end("glm") is None
    other.benches.put("qwen", seconds=7_200, reason="worse")
    clock.advance(60)
    one.benches.lift("qwen")
    assert other.benches.end("qwen") == pytest.approx(clock.now())


def test_a_lifted_bench_opens_at_once_and_a_cooldown_stays(
    opened: Open, tmp_path: Path
) -> None:
    clock, one, other = guards(opened, tmp_path)
    one.benches.put("qwen", seconds=7_200, reason="worse")
    one.benches.put("glm", seconds=7_200, reason="worse")
    until = clock.now() + 60
    one.store.cool_down("deployment:glm", until=until, reason="Overloaded")

    assert [other.benches.lift("qwen"), other.benches.lift("glm")] == [True, True]

    assert [served(one), other.benches.lift("qwen")] == ["qwen", False]
    one.benches.put("qwen", seconds=60, reason="again")
    with pytest.raises(QuotaExceeded, match=r"Overloaded \(deployment:glm\)"):
        served(one)


def test_a_bench_by_hand_replaces_a_longer_one(opened: Open, tmp_path: Path) -> None:
    clock, one, other = guards(opened, tmp_path)
    one.benches.put("qwen", seconds=7_200, reason="worse")

    one.benches.put("qwen", seconds=60, reason="a minute is enough")

    clock.advance(61)
    assert served(other) == "qwen"


def test_a_longer_cooldown_still_stays(opened: Open, tmp_path: Path) -> None:
    clock, one, _ = guards(opened, tmp_path)
    for seconds in (60, 10):
        until = clock.now() + seconds
        one.store.cool_down("deployment:qwen", until=until, reason="Overloaded")

    clock.advance(30)

    assert served(one) == "glm"


def test_who_is_refused_reads_the_reason(opened: Open, tmp_path: Path) -> None:
    _, one, other = guards(opened, tmp_path)
    for name in ("qwen", "glm"):
        one.benches.put(name, seconds=7_200, reason="qwen, coding: .92 -> .61")

    with pytest.raises(QuotaExceeded, match=r"benched: qwen, coding: \.92 -> \.61"):
        served(other)


def test_benches_are_no_pools_of_the_status(opened: Open, tmp_path: Path) -> None:
    _, one, _ = guards(opened, tmp_path)
    one.benches.put("qwen", seconds=7_200, reason="worse")

    assert not any(pool.name.startswith("bench:") for pool in one.status())


@pytest.fixture
def crew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    directory = write_files(tmp_path / "config")
    monkeypatch.setenv("CREW_STATE_DIR", str(tmp_path / ".crew"))
    monkeypatch.setenv("ALPHA_API_KEY", "sk-alpha-0123456789")

    def call(*arguments: str) -> tuple[int, str, str]:
        code = main(["--config", str(directory), *arguments])
        found = capsys.readouterr()
        return code, found.out, found.err

    return call


def test_the_command_benches_lists_and_lifts(
    crew: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    code, out, _ = crew("bench", "small", "--for", "3h", "--why", "it is\n\x1b[2Jslow")
    assert code == 0
    assert out.startswith("small is benched until ")
    assert "it is \\x1b[2Jslow" in out

    _, out, _ = crew("bench")
    assert out.startswith("small is benched for 3h 0m: it is \\x1b[2Jslow")
    _, out, _ = crew("bench", "--json")
    assert [one["deployment"] for one in json.loads(out)["benches"]] == ["small"]
    _, out, _ = crew("status")
    assert "small is benched for 3h 0m" in out
    _, out, _ = crew("status", "--json")
    assert json.loads(out)["benches"][0]["reason"] == "it is \x1b[2Jslow"

    assert crew("bench", "--lift", "small")[:2] == (
        0,
        "small is in use again; its outcomes count from now on\n",
    )
    assert crew("bench", "--lift", "small")[0] == 1
    assert crew("bench")[1] == "No deployment is benched.\n"


def test_a_bench_by_hand_says_what_it_closes(
    crew: Callable[..., tuple[int, str, str]],
) -> None:
    code, out, _ = crew("bench", "big")

    assert code == 0
    assert out.endswith("by hand\nnothing else is open in the tier senior\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["smal"], "unknown deployment 'smal'; did you mean 'small'?"),
        (["--lift"], "name the deployment"),
        (["--why", "x"], "name the deployment"),
        (["small", "--lift", "--for", "1h"], "it does not go together with --for"),
        (["small", "--for", "soon"], "is no age"),
    ],
)
def test_what_cannot_be_meant_is_a_mistake(
    crew: Callable[..., tuple[int, str, str]], arguments: list[str], said: str
) -> None:
    code, out, err = crew("bench", *arguments)

    assert (code, out) == (2, "")
    assert said in err


def test_a_reason_holds_no_secret(
    crew: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    crew("bench", "small", "--why", "key sk-alpha-0123456789 leaked")

    for path in (tmp_path / ".crew").iterdir():
        assert b"sk-alpha-0123456789" not in path.read_bytes()


def test_a_lift_ends_what_was_found_before(
    crew: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    day = Day(tmp_path)
    day.tasks([*mostly(0.9, 100), *mostly(0.3, 40)])
    (found,) = day.journal.regressions.standing()
    now = SystemClock().now()
    day.journal.regressions.end(found, "moved", now)
    with Journal.open(tmp_path / ".crew" / "journal.db", SystemClock()) as journal:
        moved = replace(found, deployment="small", at=now, began_at=now, text="small")
        assert journal.regressions.add(moved) is not None
    assert "\ngot worse: small\n" in crew("status")[1]
    assert json.loads(crew("status", "--json")[1])["regressions"][0]["text"] == "small"

    crew("bench", "small")
    crew("bench", "--lift", "small")

    assert day.journal.regressions.standing() == []
    assert "got worse" not in crew("status")[1]


@pytest.mark.parametrize(
    ("written", "watch", "bench"),
    [
        ("regression: off", False, None),
        ("regression: {bench: 2h}", True, 7_200.0),
        ("regression: {bench: off}", True, None),
        ("regression: {}", True, None),
        ("", True, None),
    ],
)
def test_the_yaml_says_what_follows(
    tmp_path: Path, written: str, watch: bool, bench: float | None
) -> None:
    from crew.settings.loader import load_settings

    directory = write_files(tmp_path / "config")
    change(directory, "tiers", "max_wait: 5m", f"max_wait: 5m\n{written}")

    found: Any = load_settings(directory, environ={}).regression

    assert (found.watch, found.bench) == (watch, bench)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (
            "regression: on",
            "found true; allowed: off, or a mapping such as {bench: 2h}",
        ),
        ("regression: 2h", "found '2h'; allowed: off, or a mapping such as"),
        ("regression: {bench: soon}", "found 'soon'; allowed: seconds as a number"),
        ("regression: {bench: 0}", "must be more than 0 seconds"),
        ("regression: 0", "found 0; allowed: off, or a mapping such as"),
        ("regression: {bnch: 2h}", "did you mean 'bench'?"),
    ],
)
def test_a_mistake_in_the_yaml_is_found(
    tmp_path: Path, written: str, said: str
) -> None:
    directory = write_files(tmp_path / "config")
    change(directory, "tiers", "max_wait: 5m", f"max_wait: 5m\n{written}")

    (mistake,) = mistakes_of(directory)

    assert said in str(mistake)
    assert mistake.line is not None
