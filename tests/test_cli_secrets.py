"""A key is shown nowhere: not on the terminal, and in no file that a run leaves."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from configured import KEY, SECRET, configure
from crew.cli import main
from scripted import Scripted, serving


@pytest.fixture
def server() -> Iterator[Scripted]:
    with serving() as script:
        script.brain = lambda request: f"{request['model']} did the work."
        yield script


@pytest.fixture
def config(server: Scripted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(KEY, SECRET)
    return configure(tmp_path / "config", server.url)


def everything(top: Path) -> list[Path]:
    return sorted(top.rglob("*"))


class Quoting(BaseHTTPRequestHandler):
    """Refuses every key, and quotes it."""

    def log_message(self, *_: object) -> None:
        """Quiet."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        key = self.headers["authorization"].removeprefix("Bearer ")
        error = {"message": f"Incorrect API key provided: {key}", "code": key}
        raw = json.dumps({"error": error}).encode()
        self.send_response(401)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)


@contextmanager
def quoting() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Quoting)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_a_refused_key_is_told_by_its_variable_and_shown_nowhere(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with quoting() as url:
        configure(config, url)
        code = main(["run", "Add pages"])
    main(["report", "--json"])
    main(["status", "--json"])
    main(["check"])

    shown = capsys.readouterr()
    assert code == 75
    assert f"{KEY} was refused (401); check it" in shown.err
    assert "Traceback" not in shown.err
    assert SECRET not in shown.out + shown.err
    files = [path for path in everything(tmp_path) if path.is_file()]
    assert {path.name for path in files} >= {"journal.db", "quota.db", "run.json"}
    assert [path for path in files if SECRET.encode() in path.read_bytes()] == []


def test_a_run_that_goes_well_keeps_no_key_either(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "Add pages"]) == 0

    shown = capsys.readouterr()
    assert SECRET not in shown.out + shown.err
    files = [path for path in everything(tmp_path) if path.is_file()]
    assert [path for path in files if SECRET.encode() in path.read_bytes()] == []
