"""What looks like a secret reaches no model: not from a copy, not from a repository."""

from collections.abc import Iterator
from pathlib import Path, PurePath

import pytest

from configured import KEY, SECRET, configure
from crew.cli import main
from crew.crew import TieredLLM
from crew.errors import WorkspaceError
from crew.tools import build_tools
from crew.workspace.ripgrep import SEARCHED_BYTES
from crew.workspace.secrets import is_secret
from scripted import Scripted, serving
from test_worktrees import git, prepare, repository

SECRETS = [
    ".env",
    ".env.local",
    ".ENV.Production",
    ".env.",
    "prod.env",
    ".envrc",
    ".ssh/config",
    "deep/.ssh/known_hosts",
    "id_rsa",
    "keys/id_ed25519",
    "id_rsa.bak",
    "server.pem",
    "tls/server.key",
    "a.p12",
    ".netrc",
    "_netrc",
    ".npmrc",
    ".pypirc",
    ".aws/credentials",
    "credentials.json",
    "firebase-credentials.json",
    ".git-credentials",
    ".kube/config",
    ".docker/config.json",
    ".gnupg/secring.gpg",
    ".pgpass",
    "secrets.yaml",
    ".streamlit/secrets.toml",
    "client_secret_123.apps.json",
    "service-account.json",
    "terraform.tfstate",
    ".bash_history",
    ".config/gh/hosts.yml",
    ".cargo/credentials.toml",
]
OPEN = [
    ".env.example",
    ".env.sample",
    "example.env.template",
    "environment.py",
    "id_rsa.pub",
    "secrets.py",
    "keys.json",
    "monkey.py",
    "tokens.json",
    "auth.json",
    "docker/config.json",
    ".docker/Dockerfile",
    "credentials.py",
    "src/ssh/client.py",
    "README.md",
    "keynote.md",
]
NOISE = "the-very-secret-value"


@pytest.fixture(autouse=True)
def _no_configuration(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))


def filled(where: Path) -> Path:
    for name in [*SECRETS, *OPEN]:
        path = where / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{NOISE if name in SECRETS else 'open'}\n", encoding="utf-8")
    (where / "deploy").write_text(
        f"-----BEGIN OPENSSH PRIVATE KEY-----\n{NOISE}\n", encoding="utf-8"
    )
    return where


def contents(top: Path) -> str:
    return "".join(
        path.read_text(encoding="utf-8")
        for path in top.rglob("*")
        if path.is_file() and ".git" not in path.parts
    )


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_is_known_by_its_name(name: str) -> None:
    assert is_secret(PurePath(name))


@pytest.mark.parametrize("name", OPEN)
def test_what_is_no_secret_stays(name: str) -> None:
    assert not is_secret(PurePath(name))


def test_a_copy_leaves_secrets_out_and_says_so(tmp_path: Path) -> None:
    notes = filled(tmp_path / "notes")
    (notes / "link").symlink_to(".env")

    workspace = prepare(tmp_path, notes)

    assert NOISE not in contents(workspace.root)
    assert set(workspace.files()) == {f"notes/{name}" for name in OPEN}
    (line,) = workspace.notices
    assert line.startswith("notes: left out, as secrets: ")
    assert "and 30 more" in line


def test_a_name_of_a_file_cannot_write_lines_of_its_own(tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    notes.mkdir()
    (notes / "a\nfake: \x1b[2J.pem").write_text("x", encoding="utf-8")

    workspace = prepare(tmp_path, notes)

    said = r"notes: left out, as secrets: a\nfake: \x1b[2J.pem"
    assert workspace.notices == (said,)


def test_no_tool_reads_a_secret_that_a_repository_tracks(tmp_path: Path) -> None:
    shop = repository(tmp_path / "shop")
    filled(shop)
    (shop / "link").symlink_to(".env")
    git(shop, "add", "--all", "--force")
    git(shop, "commit", "--quiet", "-m", "all")

    workspace = prepare(tmp_path, shop)
    tools = {
        tool.name: tool
        for tool in build_tools(
            ["list_files", "read_file", "search_files", "look_at_image"],
            workspace,
            TieredLLM.model_construct(),
        )
    }

    for name in [*SECRETS, "deploy", "link", "sub/../.env"]:
        for answer in (
            tools["read_file"].run(path=f"shop/{name}"),
            tools["look_at_image"].run(image=f"shop/{name}", question="?"),
        ):
            assert "looks like a secret" in answer or "no such file" in answer, name
            assert NOISE not in answer
    assert NOISE not in tools["search_files"].run(pattern="secret|open|value")
    assert "shop/README.md:1: open" in tools["search_files"].run(pattern="open")
    listed = tools["list_files"].run(directory=".")
    assert "shop/id_rsa.pub" in listed
    assert "shop/.env\n" not in listed
    (line,) = workspace.notices
    assert line.startswith("shop: read by no tool, as secrets: ")


def test_secrets_of_a_repository_stay_in_its_commits(tmp_path: Path) -> None:
    shop = repository(tmp_path / "shop", files=("a.txt", ".env"))

    workspace = prepare(tmp_path, shop)
    workspace.write("shop/a.txt", "changed\n")
    workspace.finish()

    (change,) = workspace.changes()
    assert change.files == 1


def test_what_the_run_wrote_is_read_again(tmp_path: Path) -> None:
    shop = repository(tmp_path / "shop", files=("a.txt", ".env"))

    workspace = prepare(tmp_path, shop)
    with pytest.raises(WorkspaceError, match="looks like a secret"):
        workspace.read("shop/.env")
    workspace.write("shop/.env", "NEW=1\n")

    assert workspace.read("shop/.env") == "NEW=1\n"
    assert "shop/.env" in workspace.files()


@pytest.fixture
def server() -> Iterator[Scripted]:
    with serving() as script:
        script.brain = lambda request: f"{request['model']} did the work."
        yield script


def test_a_run_on_this_directory_copies_nothing_of_its_own(
    tmp_path: Path,
    server: Scripted,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    project = tmp_path / "project"
    project.mkdir()
    monkeypatch.chdir(project)
    monkeypatch.setenv("CREW_STATE_DIR", "state")
    monkeypatch.setenv("CREW_CONFIG_DIR", "config")
    monkeypatch.setenv("CREW_ENV_FILE", ".env")
    (project / ".env").write_text(f"{KEY}={SECRET}\n", encoding="utf-8")
    (project / "notes.md").write_text("a note\n", encoding="utf-8")
    configure(project / "config", server.url)

    codes = [main(["run", "Add pages", "--repo", "."]) for _ in range(2)]

    shown = capsys.readouterr().err
    copies = sorted((project / "output").glob("*/workspace/*"))
    assert codes == [0, 0]
    assert len(copies) == 2
    assert "left out, as secrets: .env" in shown
    for copy in copies:
        assert sorted(path.name for path in copy.iterdir()) == ["config", "notes.md"]


def test_a_search_says_what_it_did_not_look_into(tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    notes.mkdir()
    (notes / "big.log").write_text("needle\n" + "x" * SEARCHED_BYTES, "utf-8")

    workspace = prepare(tmp_path, notes)
    nothing = workspace.search("needle")
    (notes / "small.txt").write_text("needle\n", "utf-8")
    found = prepare(tmp_path, notes, run="r2").search("needle")

    said = "... not searched, as they are over 16 MB: notes/big.log"
    assert nothing == ["nothing matches in the files that were searched", said]
    assert found == ["notes/small.txt:1: needle", said]
