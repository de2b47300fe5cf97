"""Real gateways as the first link of a chain: served, killed, gone on without, back.

    uv run python benchmarks/gateways.py [DIRECTORY]

DIRECTORY (`gateways` by default) holds what docs/gateways.md installs; nothing is
installed here, and a gateway that is missing is passed over. The configurations are
those of docs/gateways.md with other addresses: both ways lead to the emulator, which
counts what arrives. Three runs of a crew each: in the first the gateway is killed after
some calls; in the second it is down; for the third it is started again, and the
provider behind it fails twice.
"""

import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from crew.emulator.process import running

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs" / "gateways.md"
CREW = [sys.executable, "-c", "import sys; from crew.cli import main; sys.exit(main())"]
KEPT = ("PATH", "HOME", "LANG", "TMPDIR")
KEY = "sk-gateways-0123456789abcdef"
DEADLINE = 180.0
KILL_AFTER = 5
COOLDOWN = 16.0
TASKS = 5

AGENTS = """\
coder: {role: Engineer, goal: code, backstory: codes, tier: senior,
  tools: [list_files, write_file]}
"""
TASK = """\
task%d: {description: "{request} (%d)", expected_output: code, agent: coder}
"""


@dataclass(frozen=True, kw_only=True)
class Gateway:
    """`deployment` and `provider` are its names in docs/gateways.md, `address` is
    where it listens there, `program` what is installed."""

    title: str
    provider: str
    deployment: str
    address: str
    health: str
    program: str
    section: str

    def command(self, directory: Path, port: int, config: Path) -> list[str]:
        """How it is started, on `port`."""
        program = str(directory / self.program)
        if self.provider == "portkey":
            return ["node", program, f"--port={port}", "--headless"]
        places = ["--host", "127.0.0.1", "--port", str(port)]
        return [program, "--config", str(config), *places]


GATEWAYS = (
    Gateway(
        title="litellm proxy",
        provider="proxy",
        deployment="gpt-proxy",
        address="http://127.0.0.1:4000",
        health="/health/liveliness",
        program="proxy/bin/litellm",
        section="litellm proxy",
    ),
    Gateway(
        title="Portkey",
        provider="portkey",
        deployment="gpt-portkey",
        address="http://127.0.0.1:8787",
        health="/",
        program="node_modules/@portkey-ai/gateway/build/start-server.js",
        section="Portkey",
    ),
)


def documented(name: str) -> str:
    """The YAML file of that name in docs/gateways.md."""
    found = re.search(rf"```yaml\n# {name}\n(.*?)```", DOCS.read_text("utf-8"), re.S)
    if found is None:
        raise SystemExit(f"{DOCS} shows no {name}")
    return found[1]


def write_config(directory: Path, gateway: Gateway, port: int, emulator: str) -> None:
    """The documented files, with the gateway and the provider at other addresses."""
    directory.mkdir(exist_ok=True)
    providers = documented("providers.yaml")
    providers = providers.replace(gateway.address, f"http://127.0.0.1:{port}")
    # Behind the gateway the emulator plays a provider apart, to count it apart.
    behind = f"{emulator}/{gateway.provider}/v1"
    headers = f"    headers:\n      x-portkey-custom-host: {behind}\n"
    providers = re.sub(r"    headers:.*\n", headers, providers)
    direct = "  openai:\n    api_key: ${OPENAI_API_KEY}\n"
    to_emulator = f"{direct}    base_url: {emulator}/openai/v1\n"
    providers = providers.replace(direct, to_emulator)
    chain = f"tiers:\n  senior: [{gateway.deployment}, gpt]\nmax_calls: 500\n"
    proxy = documented("proxy.yaml").replace("https://api.openai.com/v1", behind)
    # The emulator knows a proxy's provider by the alias.
    proxy = proxy.replace("openai/gpt-5.6", "openai/gpt")
    tasks = "".join(TASK % (number, number) for number in range(TASKS))
    for name, text in {
        "providers": providers,
        "tiers": chain,
        "agents": AGENTS,
        "tasks": f"process: sequential\n{tasks}",
        "proxy": proxy,
    }.items():
        (directory / f"{name}.yaml").write_text(text, encoding="utf-8")


def environment(directory: Path) -> Mapping[str, str]:
    """Nothing of the user's own, and nothing that goes over the network by itself."""
    return {
        **{name: os.environ[name] for name in KEPT if name in os.environ},
        "CREW_STATE_DIR": str(directory / "state"),
        "CREWAI_DISABLE_TELEMETRY": "true",
        "CREWAI_TRACING_ENABLED": "false",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "LITELLM_MASTER_KEY": KEY,
        "LITELLM_PROXY_KEY": KEY,
        "OPENAI_API_KEY": KEY,
        "DO_NOT_TRACK": "1",
    }


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextmanager
def started(command: list[str], health: str, directory: Path) -> Iterator[Any]:
    """The gateway's process, once it answers; it is killed at the end."""
    with (directory / "gateway.log").open("ab") as log:
        process = subprocess.Popen(
            command,
            cwd=directory,
            env=environment(directory),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        until = time.monotonic() + DEADLINE
        while not answers(health):
            if process.poll() is not None or time.monotonic() > until:
                last = (directory / "gateway.log").read_text("utf-8", "replace")[-800:]
                raise SystemExit(f"{command[0]} did not start:\n{last}")
            time.sleep(0.2)
        yield process
    finally:
        process.kill()
        process.wait()


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2):
            return True
    except OSError:
        return False


def control(emulator: str, what: str, body: object = None) -> Any:
    """What the emulator says of itself, or is told to do."""
    request = urllib.request.Request(
        f"{emulator}/_control/{what}",
        data=None if body is None else json.dumps(body).encode(),
        headers={"content-type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def counts(emulator: str, provider: str) -> Counter[str]:
    """What arrived at a provider of the emulator."""
    total: Counter[str] = Counter()
    for count in control(emulator, "counters")[provider].values():
        total.update(count)
    return total


def run_crew(directory: Path) -> "subprocess.Popen[str]":
    command = [*CREW, "--config", str(directory / "config"), "run", "Say", "--json"]
    return subprocess.Popen(
        command,
        cwd=directory,
        env=environment(directory),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=(directory / "crew.log").open("ab"),
        text=True,
    )


def show(run: Mapping[str, Any], gateway: Gateway, emulator: str) -> None:
    """Who served what, as the journal has it and as the emulator counted it."""
    calls = run["calls"]
    steps = [(call["deployment"], call["outcome"]) for call in calls]
    reported = ", ".join(
        f"{name} {outcome} x{len(list(same))}"
        for (name, outcome), same in groupby(steps)
    )
    done = sum(task["status"] != "failed" for task in run["tasks"])
    print(
        f"  status {run['status']}, {done} of {TASKS} tasks; calls in order: {reported}"
    )
    for provider in (gateway.provider, "openai"):
        at = [call for call in calls if call["provider"] == provider]
        sent = [call for call in at if call["outcome"] != "Unreachable"]
        ok = [call for call in at if call["outcome"] == "ok"]
        cut = [call for call in at if call["outcome"] == "BadAnswer"]
        estimated = f" (and {len(cut)} cut off: estimated)" if cut else ""
        seen = counts(emulator, provider)
        arrived = seen["requests"]
        share = f"{arrived / len(sent):.2f} per lease" if sent else "none left"
        print(
            f"  {provider:<8} {len(sent):3} leases that left, {arrived:3} requests at "
            f"the upstream ({share}); "
            f"tokens told {sum(call['input_tokens'] for call in ok)}"
            f"/{sum(call['output_tokens'] for call in ok)}, "
            f"counted there {seen['input_tokens']}/{seen['output_tokens']}{estimated}"
        )


def finished(crew: "subprocess.Popen[str]", directory: Path) -> Mapping[str, Any]:
    out, _ = crew.communicate(timeout=DEADLINE)
    if not out:
        log = (directory / "crew.log").read_text("utf-8", "replace")
        raise SystemExit(f"crew run said nothing:\n{log[-1500:]}")
    found: Mapping[str, Any] = json.loads(out)
    return found


def try_out(gateway: Gateway, installed: Path, directory: Path) -> None:
    port = free_port()
    config = directory / "config"
    write_config(config, gateway, port, "http://127.0.0.1:1")
    with running(config, latency=0.2) as emulator:
        write_config(config, gateway, port, emulator)
        command = gateway.command(installed, port, config / "proxy.yaml")
        health = f"http://127.0.0.1:{port}{gateway.health}"
        began = time.monotonic()
        print(f"{gateway.title}")
        with started(command, health, directory) as process:
            print(f"  up after {time.monotonic() - began:.0f} s")
            crew = run_crew(directory)
            while counts(emulator, gateway.provider)["requests"] < KILL_AFTER:
                if crew.poll() is not None:
                    break
                time.sleep(0.02)
            process.kill()
        print(f"  killed after {KILL_AFTER} requests, in the middle of the run:")
        show(finished(crew, directory), gateway, emulator)
        control(emulator, "reset", {})
        time.sleep(COOLDOWN)
        print("  still down, and its cooldown is over:")
        show(finished(run_crew(directory), directory), gateway, emulator)
        control(emulator, "reset", {})
        fault = {"provider": gateway.provider, "times": 1}
        limit = {**fault, "fault": "rate_limit", "after": 2, "retry_after": 1}
        control(emulator, "faults", limit)
        control(emulator, "faults", {**fault, "fault": "server_error", "after": 4})
        time.sleep(COOLDOWN)
        with started(command, health, directory):
            print("  started again; behind it a 429 and, later, a 500 are staged:")
            show(finished(run_crew(directory), directory), gateway, emulator)


def main() -> None:
    installed = Path(sys.argv[1] if len(sys.argv) > 1 else "gateways").resolve()
    for gateway in GATEWAYS:
        if not (installed / gateway.program).exists():
            print(
                f"{gateway.title}: passed over, {installed / gateway.program} is not "
                f"there; see '{gateway.section}' in docs/gateways.md"
            )
            continue
        with tempfile.TemporaryDirectory() as name:
            try_out(gateway, installed, Path(name))


if __name__ == "__main__":
    main()
