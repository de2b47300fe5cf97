"""Processes that run a crew, without the seconds that their imports take.

`forks` is a fixture of conftest.py: a server that has imported crew, crewai and litellm
and forks a child for each `start`. The child is a process with its own pid, signals,
exit code, working directory, environment and files; what it does not show is start-up:
what is imported when, and what an import reads from the environment. Tests of those
begin a Python of their own.

    def test_a_run_that_is_stopped(forks: Forks) -> None:
        process = forks.start("run", "Add pages", "--json")   # the command `crew`
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate()
        assert process.returncode == 143

        done = forks.run(code="import crew; print(crew.tiers('config'))")
        assert done.stdout == ...

`start` and `run` take what `subprocess.Popen` takes under the same names: `cwd`, `env`,
and for the three streams PIPE, DEVNULL or a descriptor. With `terminal=True` the child
leads a session whose terminal is its stdin.
"""

import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from threading import Thread
from typing import IO, Self

import pytest

from hangs import HANGS_AFTER

PIPE, DEVNULL = subprocess.PIPE, subprocess.DEVNULL
Stream = int | None
PROGRAM = Path(__file__).with_name("fork_server.py")


class Process:
    """A child of the server; as `subprocess.Popen`, and its text is UTF-8."""

    def __init__(self, answers: socket.socket, pipes: list[IO[str] | None]) -> None:
        self.stdin, self.stdout, self.stderr = pipes
        self.returncode: int | None = None
        self._answers = answers
        self.pid = int(self._answer())

    def poll(self) -> int | None:
        return self._ended(0.0)

    def wait(self, timeout: float = HANGS_AFTER) -> int:
        """Seconds. Raises TimeoutError."""
        code = self._ended(timeout)
        if code is None:
            raise TimeoutError(f"process {self.pid} has not ended")
        return code

    def communicate(self, timeout: float = HANGS_AFTER) -> tuple[str, str]:
        """What is still to be read on stdout and stderr, up to the end."""
        if self.stdin is not None:
            self.stdin.close()
        texts = {}

        def drain(file: IO[str]) -> None:
            with file:
                texts[file] = file.read()

        open_files = [
            file for file in (self.stdout, self.stderr) if file and not file.closed
        ]
        readers = [Thread(target=drain, args=(file,)) for file in open_files]
        for reader in readers:
            reader.start()
        self.wait(timeout)
        for reader in readers:
            reader.join()
        return texts.get(self.stdout, ""), texts.get(self.stderr, "")

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def close(self) -> None:
        """Kill it where it still works, and close its streams."""
        self.kill()
        self.wait()
        self._answers.close()
        for file in (self.stdin, self.stdout, self.stderr):
            if file is not None:
                file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *problem: object) -> None:
        if problem[0] is None:
            self.wait()
        self.close()

    def _ended(self, timeout: float) -> int | None:
        if self.returncode is None:
            ready, _, _ = select.select([self._answers], [], [], timeout)
            if ready:
                self.returncode = int(self._answer())
        return self.returncode

    def _answer(self) -> str:
        line = bytearray()
        while not line.endswith(b"\n"):
            part = self._answers.recv(1)
            assert part, "the fork server has ended"
            line += part
        return line.decode()


class Forks:
    """The server; it is started for the first child."""

    def __init__(self) -> None:
        self._server: subprocess.Popen[bytes] | None = None
        self._control: socket.socket
        self._started: list[Process] = []

    def start(
        self,
        *arguments: str,
        code: str = "",
        script: str | Path = "",
        cwd: str | Path = "",
        env: Mapping[str, str] | None = None,
        stdin: Stream = DEVNULL,
        stdout: Stream = PIPE,
        stderr: Stream = PIPE,
        terminal: bool = False,
    ) -> Process:
        """Begin `crew ARGUMENTS`, or `python -c CODE ARGUMENTS`, or a script."""
        what = "code" if code else "script" if script else "crew"
        name = {"code": "-c", "script": str(script), "crew": "crew"}[what]
        request = {
            "what": what,
            "text": code or str(script),
            "argv": [name, *arguments],
            "cwd": str(Path.cwd() / cwd),
            "env": dict(os.environ if env is None else env),
            "terminal": terminal,
        }
        self._begin()
        theirs, pipes = _streams(stdin, stdout, stderr)
        answers, asked = socket.socketpair()
        socket.send_fds(self._control, [b"."], [asked.fileno(), *theirs])
        asked.close()
        for descriptor in theirs:
            os.close(descriptor)
        answers.sendall(json.dumps(request).encode())
        answers.shutdown(socket.SHUT_WR)
        process = Process(answers, pipes)
        self._started.append(process)
        return process

    def run(
        self, *arguments: str, timeout: float = HANGS_AFTER, **options: object
    ) -> "subprocess.CompletedProcess[str]":
        """As `start`, up to its end."""
        with self.start(*arguments, **options) as process:  # type: ignore[arg-type]
            out, err = process.communicate(timeout)
        code = process.wait()
        return subprocess.CompletedProcess(arguments, code, out, err)

    def end_all(self) -> None:
        """End what a test has started, and left."""
        for process in self._started:
            process.close()
        self._started.clear()

    def close(self) -> None:
        if self._server is not None:
            self._control.close()
            self._server.communicate()

    def _begin(self) -> None:
        if self._server is not None:
            return
        self._control, theirs = socket.socketpair()
        clean = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("CREW_", "CREWAI_", "LITELLM_", "XDG_"))
            and not name.endswith("_API_KEY")
        }
        self._server = subprocess.Popen(
            [sys.executable, str(PROGRAM), str(theirs.fileno())],
            stdin=PIPE,  # the streams of a Python that begins with files seek
            stdout=PIPE,
            stderr=subprocess.STDOUT,
            env={**clean, "OPENBLAS_NUM_THREADS": "1", "PYTHONUTF8": "1"},
            pass_fds=[theirs.fileno()],
            cwd=PROGRAM.parent,
        )
        theirs.close()
        if self._control.recv(1) != b".":
            pytest.fail(self._server.communicate()[0].decode())


def _streams(*wanted: Stream) -> tuple[list[int], list[IO[str] | None]]:
    """The descriptors of a child, and our ends of its pipes."""
    theirs: list[int] = []
    ours: list[IO[str] | None] = []
    for number, stream in enumerate(wanted):
        mine: IO[str] | None = None
        if stream == PIPE:
            reading, writing = os.pipe()
            child, other = (reading, writing) if number == 0 else (writing, reading)
            mine = os.fdopen(other, "r" if number else "w", encoding="utf-8")
        elif stream == DEVNULL:
            child = os.open(os.devnull, os.O_RDWR)
        else:
            child = os.dup(number if stream is None else stream)
        theirs.append(child)
        ours.append(mine)
    return theirs, ours


__all__ = ["DEVNULL", "PIPE", "Forks", "Process"]
