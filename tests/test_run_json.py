"""The record of a run, and the page that describes it."""

import hashlib
import json
import platform
import re
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from after_runs import git, repository, run
from configured import SECRET
from crew.cli import main
from scripted import Scripted

PAGE = (Path(__file__).parents[1] / "docs" / "run-json.md").read_text(encoding="utf-8")
ABSENT = {"error", "open", "closed"}


def documented(section: str) -> set[str]:
    text = re.split(r"^## ", PAGE, flags=re.MULTILINE)
    (found,) = (one for one in text if one.splitlines()[0].strip("`[]") == section)
    return set(re.findall(r"^\| `([^`]+)` \|", found, flags=re.MULTILINE))


def test_the_record_says_what_the_page_says(
    config: Path,
    server: Scripted,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    shop = repository(tmp_path / "shop")
    base = git(shop, "rev-parse", "HEAD").strip()
    server.replies["thinker"] = ["500", "thinker did the work."]
    tiers = config / "tiers.yaml"
    tiers.write_text(tiers.read_text().replace("max_wait: 0s", "max_wait: 1m"))
    providers = config / "providers.yaml"
    providers.write_text(
        providers.read_text().replace("limits: []", "limits: [1000 requests/day]")
    )
    files = {"shop/pages.py": "1\n2\n", "shop/a.txt": "one\n", "shop/x.log": "x\n"}
    made = run(config, server, shop, files=files, request=f"Add {SECRET} pages")

    record: dict[str, Any] = json.loads(
        Path("output", made, "run.json").read_text(encoding="utf-8")
    )

    assert set(record) == documented("The run") - ABSENT
    workspace = record["workspace"]
    (place,) = workspace["repositories"]
    names = set(workspace) - {"repositories"}
    names |= {f"repositories[].{key}" for key in set(place) - {"changed"}}
    names |= {f"repositories[].changed[].{key}" for key in place["changed"][0]}
    assert names == documented("workspace")
    for key in ("tasks", "failures", "calls", "limits"):
        assert {name for one in record[key] for name in one} == documented(key), key
    (limit,) = (one for one in record["limits"] if one["pool"] == "provider:one")
    assert limit["used"] == len(record["calls"])
    assert limit["left"] == 1000 - limit["used"]
    assert record["request"] == "Add *** pages"
    assert record["versions"] == {
        "crew": version("tiercrew"),
        "crewai": version("crewai"),
        "litellm": version("litellm"),
        "python": platform.python_version(),
    }
    assert record["started_at"] <= record["finished_at"]
    assert 0 < record["seconds"] < 600
    assert place["base"] == base
    assert place["head"] == git(shop, "rev-parse", f"crew/{made}").strip()
    assert place["changed"] == [
        {"path": "a.txt", "insertions": 0, "deletions": 1},
        {"path": "pages.py", "insertions": 2, "deletions": 0},
    ]
    assert place["ignored"] == ["x.log"]
    assert record["failures"][0]["what"] == "call"
    assert record["config_hash"] == _hash(config)
    capsys.readouterr()
    assert main(["report", made, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == record
    assert SECRET not in git(shop, "log", "--format=%B", f"crew/{made}")


def _hash(config: Path) -> str:
    found = hashlib.sha256()
    for path in sorted(config.glob("*.yaml")):
        content = path.read_bytes()
        found.update(f"{path.name} {len(content)}\n".encode() + content)
    return found.hexdigest()


def test_a_run_that_fails_says_why(
    config: Path, server: Scripted, capsys: pytest.CaptureFixture[str]
) -> None:
    server.replies["smith"] = ["400"]

    assert main(["run", "Add pages", "--json"]) == 1
    record = json.loads(capsys.readouterr().out)

    assert record["status"] == "failed"
    assert record["failures"][-1]["what"] == "run"
    assert record["failures"][-1]["reason"] == record["error"]
    assert record["open"] == ["code", "document"]
