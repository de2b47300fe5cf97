"""The processes of `forked.py` are as `subprocess` begins them, but for the start."""

import json
import os
import pty
import signal
from pathlib import Path

from forked import PIPE, Forks

SHOW = """
import json, os, signal, sys, threading
print(json.dumps({
    "argv": sys.argv, "cwd": os.getcwd(), "mine": os.environ["MINE"],
    "keys": [name for name in os.environ if name.endswith("_KEY")],
    "offline": os.environ["LITELLM_LOCAL_MODEL_COST_MAP"], "read": sys.stdin.read(),
    "threads": threading.active_count(), "pid": os.getpid(), "name": __name__,
    "quiet": signal.getsignal(signal.SIGINT) is signal.default_int_handler
        and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL,
}))
print("é", file=sys.stderr)
sys.exit(7)
"""
WAITS = "import os, signal; print(os.isatty(0), flush=True); signal.pause()"


def test_a_child_has_its_own_directory_environment_streams_and_end(
    forks: Forks, tmp_path: Path
) -> None:
    process = forks.start(
        "a", "b", code=SHOW, cwd=tmp_path, env={"MINE": "é"}, stdin=PIPE
    )
    assert process.stdin is not None
    process.stdin.write("typed")
    out, err = process.communicate()

    assert json.loads(out) == {
        "argv": ["-c", "a", "b"],
        "cwd": str(tmp_path),
        "mine": "é",
        "keys": [],
        "offline": "True",
        "read": "typed",
        "threads": 1,
        "pid": process.pid,
        "name": "__main__",
        "quiet": True,
    }
    assert (err, process.returncode) == ("é\n", 7)


def test_a_child_takes_signals_and_is_gone_when_they_are_reported(
    forks: Forks,
) -> None:
    children = [forks.start(code=WAITS) for _ in range(3)]
    for child in children:
        assert child.stdout is not None
        assert child.stdout.readline() == "False\n"
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)
    for child, number in zip(children, numbers, strict=True):
        assert child.poll() is None
        child.send_signal(number)

    assert [child.wait() for child in children] == [-number for number in numbers]
    assert not any(Path(f"/proc/{child.pid}").exists() for child in children)


def test_a_child_can_have_a_terminal_of_its_own(forks: Forks) -> None:
    ours, theirs = pty.openpty()
    streams = {"stdin": theirs, "stdout": theirs, "stderr": theirs}
    child = forks.start(code=WAITS, terminal=True, **streams)
    os.close(theirs)
    with os.fdopen(ours, "r+b", buffering=0) as terminal:
        assert terminal.readline() == b"True\r\n"
        terminal.write(b"\x03")  # Ctrl-C

        assert child.wait() == -signal.SIGINT


def test_a_script_and_a_mistake_are_reported_as_python_does(
    forks: Forks, tmp_path: Path
) -> None:
    (tmp_path / "beside.py").write_text("HERE = 1\n")
    script = tmp_path / "script.py"
    script.write_text("import beside, sys\nprint(sys.argv[1:], beside.HERE)\n1 / 0\n")

    done = forks.run("x", script=script)

    assert (done.returncode, done.stdout) == (1, "['x'] 1\n")
    assert done.stderr.endswith("ZeroDivisionError: division by zero\n")
