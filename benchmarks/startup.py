"""How long `crew` takes to start, as ratios to bare Python and to bare imports.

    uv run python benchmarks/startup.py [ROUNDS]

`crew status` and `crew check` read the configuration of the project. `crew run` is
timed up to its first call: the first request that reaches an HTTP server on loopback,
the only provider of a configuration written for this. Rounds are interleaved, after
one that is not counted and leaves compiled byte code behind. All figures are medians
of one run on one machine; the ratios are what counts.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ROUNDS = 5
DEADLINE = 120.0
CREW = [sys.executable, "-c", "import sys; from crew.cli import main; sys.exit(main())"]
DEFAULT = [*CREW, "--config", str(Path(__file__).parents[1] / "config")]
KEPT = ("PATH", "HOME", "LANG", "TMPDIR", "PYTHONPATH")

AGENTS = """\
manager: {role: Manager, goal: lead, backstory: leads, tier: senior}
coder: {role: Engineer, goal: code, backstory: codes, tier: senior}
"""
TASKS = """\
code: {description: "{request}", expected_output: code, agent: coder}
"""
PROVIDERS = """\
providers:
  loopback: {api_key: "${LOOPBACK_API_KEY}", base_url: "%s"}
deployments:
  only: {provider: loopback, model: openai/only, price: {input: 1, output: 1}}
"""
TIERS = """\
tiers: {senior: [only]}
budgets: [100 usd/month @ UTC]
"""


class Provider(ThreadingHTTPServer):
    """Knows when a request came, and answers none."""

    def __init__(self) -> None:
        self.came = threading.Event()
        super().__init__(("127.0.0.1", 0), Silence)
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Silence(BaseHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Stay quiet."""

    def do_POST(self) -> None:
        assert isinstance(self.server, Provider)
        self.server.came.set()


def environment(directory: Path) -> Mapping[str, str]:
    """Nothing of the user's own, and nothing that goes over the network by itself."""
    return {
        **{name: os.environ[name] for name in KEPT if name in os.environ},
        "CREW_CONFIG_DIR": str(directory / "config"),
        "CREW_STATE_DIR": str(directory / "state"),
        "CREWAI_DISABLE_TELEMETRY": "true",
        "CREWAI_TRACING_ENABLED": "false",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "LOOPBACK_API_KEY": "none",
    }


def write_config(directory: Path, url: str) -> None:
    directory.mkdir()
    texts = {"agents": AGENTS, "tasks": TASKS, "tiers": TIERS}
    for name, text in {**texts, "providers": PROVIDERS % url}.items():
        (directory / f"{name}.yaml").write_text(text, encoding="utf-8")


def to_the_end(command: list[str], directory: Path) -> float:
    """Seconds until the command is done."""
    began = time.perf_counter()
    subprocess.run(
        command,
        cwd=directory,
        env=environment(directory),
        stdout=subprocess.DEVNULL,
        timeout=DEADLINE,
        check=True,
    )
    return time.perf_counter() - began


def to_the_first_call(directory: Path, provider: Provider) -> float:
    """Seconds until the provider hears of `crew run`."""
    provider.came.clear()
    began = time.perf_counter()
    with subprocess.Popen(
        [*CREW, "run", "Say hello."],
        cwd=directory,
        env=environment(directory),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        heard = provider.came.wait(DEADLINE)
        taken = time.perf_counter() - began
        process.kill()
    if not heard:
        raise SystemExit("`crew run` made no call")
    return taken


def measure(rounds: int) -> dict[str, list[float]]:
    """Seconds of each step, round by round."""
    with tempfile.TemporaryDirectory() as name:
        directory, provider = Path(name), Provider()
        write_config(directory / "config", f"http://127.0.0.1:{provider.server_port}")
        bare = [sys.executable, "-c"]
        uncompiled = ["-B", "-X", f"pycache_prefix={directory / 'empty'}"]
        # Taking the modules apart at the end is no part of starting.
        imports = "import os, crewai, litellm; os._exit(0)"
        steps: dict[str, Callable[[], float]] = {
            "pass": lambda: to_the_end([*bare, "pass"], directory),
            "status": lambda: to_the_end([*DEFAULT, "status"], directory),
            "check": lambda: to_the_end([*DEFAULT, "check"], directory),
            "imports": lambda: to_the_end([*bare, imports], directory),
            "uncompiled": lambda: to_the_end(
                [sys.executable, *uncompiled, "-c", imports], directory
            ),
            "run": lambda: to_the_first_call(directory, provider),
        }
        taken: dict[str, list[float]] = {step: [] for step in steps}
        for number in range(rounds + 1):
            for step, run in steps.items():
                seconds = run()
                if number:
                    taken[step].append(seconds)
        provider.shutdown()
    return taken


def main() -> None:
    """Measure and print the ratios."""
    taken = measure(int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS)
    rows = (
        ("crew status", "status", "python -c pass", "pass"),
        ("crew check", "check", "python -c pass", "pass"),
        ("import crewai, litellm", "imports", "python -c pass", "pass"),
        ("the same without byte code", "uncompiled", "with byte code", "imports"),
        ("crew run, to its first call", "run", "import crewai, litellm", "imports"),
    )
    for what, step, against, base in rows:
        ratios = [a / b for a, b in zip(taken[step], taken[base], strict=True)]
        median = statistics.median(taken[step]) / statistics.median(taken[base])
        print(f"{what:<28} {median:6.2f} times {against}", end="")
        print(f"  (rounds: {min(ratios):.2f} to {max(ratios):.2f})")


if __name__ == "__main__":
    main()
