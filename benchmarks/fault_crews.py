"""The crews that the fault matrix compares: ours, plain CrewAI, CrewAI on a Router."""

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

# Before crewai and litellm: it keeps them off the network.
from crew import build_crew

# isort: split
import litellm
from crewai import LLM, Agent, Crew, Task
from crewai.llms.base_llm import BaseLLM
from fault_lane import PATIENCE, Cell, Lane, Way
from pydantic import PrivateAttr

from crew.clock import SystemClock
from crew.journal import Journal
from crew.settings import Deployment, Inputs, Settings
from crew.tools import build_tools
from crew.workspace import Workspace

BOUND = 15.0
"""Seconds after which a cell of a peer counts as not finished."""
OUR_BOUND = 5.0
"""The same for ours, which has nothing to wait for but the timeout."""
SAID = "A rehearsed answer. You are Tester."
FILE = "heard.txt"
"""The one file of the workspace: an answer that names it has heard the tool."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of a cell. `wrong` is empty when it finished; `unnamed` when the
    journal says what it should (peers keep none)."""

    cell: Cell
    seconds: float
    first: int
    second: int
    wrong: str
    hidden: int = 0
    unnamed: str = ""

    @property
    def tried(self) -> int:
        """Attempts at the first provider, from the one on that met the fault."""
        return self.first - self.cell.way.spared


def ours(lane: Lane, cell: Cell) -> Outcome:
    """A crew of the project, built from its settings, in a run of its own."""
    return _ours(lane, cell, kicked_off)


def our_llm(lane: Lane, cell: Cell) -> Outcome:
    """The LLM of such a crew's agent, awaited. Even a crew that is awaited calls it
    from a thread for the turns of an agent (CrewAI 1.15.30); it awaits it for
    summaries and conversions, in a new loop."""
    return _ours(lane, cell, _asked_directly)


def _asked_directly(made: Crew, way: Way) -> "Said":
    llm: Any = made.agents[0].llm
    llm.stream = way.stream
    asked = [
        {"role": "system", "content": "You are Tester."},
        {"role": "user", "content": "Say hello."},
    ]
    return Said(text=asyncio.run(llm.acall(asked)))


def _ours(lane: Lane, cell: Cell, work: "Work") -> Outcome:
    settings = _narrowed(lane.begin(cell), cell)
    made = build_crew(settings, output=settings.state_dir)
    run = made.agents[0].llm.run
    if cell.way.tools:
        (settings.state_dir / run / "workspace" / FILE).touch()
    seconds, wrong, ended = bounded(lambda: work(made, cell.way), cell, OUR_BOUND)
    first, second = lane.attempts(cell)
    with Journal.open(settings.state_dir / "journal.db", SystemClock()) as journal:
        calls = journal.calls(run)
    if not ended:
        lane.open()
        new_clients()
    leases = Counter(call.deployment for call in calls)
    known = leases[cell.family] + leases[cell.second] + (not ended)
    return Outcome(
        cell=cell,
        seconds=seconds,
        first=first,
        second=second,
        wrong=wrong,
        hidden=first + second - known,
        unnamed=_unnamed(cell, [(call.outcome, call.reason) for call in calls]),
    )


def _narrowed(settings: Settings, cell: Cell) -> Settings:
    """The settings with the cell's chain and tool, and a state of its own."""
    (role,) = settings.roles.values()
    tools = ("list_files",) if cell.way.tools else ()
    role = replace(role, tier=f"from_{cell.family}", tools=tools)
    return replace(
        settings,
        roles={role.name: role},
        state_dir=settings.state_dir / uuid4().hex,
    )


def _unnamed(cell: Cell, calls: Sequence[tuple[str, str]]) -> str:
    """What the journal does not say as it should."""
    outcomes = [outcome for outcome, _ in calls]
    fine = ["ok"] * cell.way.spared
    expected = [[*fine, failure, "ok"] for failure in cell.fault.classes]
    if outcomes not in expected:
        return f"journal: {', '.join(outcomes) or 'nothing'}"
    if not calls[-1][1].startswith(f"{cell.family}: "):
        return f"journal: the reason is {calls[-1][1]!r}"
    return ""


def plain(lane: Lane, cell: Cell, *, times: int = 1000) -> Outcome:
    """A crew on CrewAI's own LLM, as its documentation has it."""
    settings = lane.begin(cell, times=times)
    first = settings.deployments[cell.family]
    address, seconds = str(first.base_url), first.timeout or PATIENCE
    named: dict[str, Any] = {"base_url": address, "timeout": seconds}
    if cell.family == "gemini":  # CrewAI passes on no address of Google's
        options = {
            "base_url": address.removesuffix("/v1beta"),
            "timeout": int(seconds * 1000),
        }
        named = {"client_params": {"http_options": options}}
    # With `ollama_chat/` CrewAI would want litellm, which `ollama/` does without.
    model = first.model.replace("ollama_chat/", "ollama/")
    llm = LLM(model=model, api_key="none", **named)
    return _peer(lane, cell, _one_agent(settings, cell, llm))


class RouterLLM(BaseLLM):
    """A Router as CrewAI's documentation has custom LLMs."""

    _router: litellm.Router = PrivateAttr()

    @classmethod
    def on(cls, router: litellm.Router) -> "RouterLLM":
        llm = cls(model="first")
        llm._router = router
        return llm

    def supports_function_calling(self) -> bool:
        return True

    def get_context_window_size(self) -> int:
        return 100_000

    def call(self, messages: Any, tools: Any = None, *_: Any, **more: Any) -> Any:
        asked = self._asked(messages, tools)
        if not asked["stream"]:
            return _said(self._router.completion(**asked))
        chunks = []
        for chunk in self._router.completion(**asked):
            chunks.append(chunk)
            self._hand_on(chunk, more)
        return _said(litellm.stream_chunk_builder(chunks))

    def _asked(self, messages: Any, tools: Any) -> dict[str, Any]:
        asked = {"model": self.model, "messages": self._format_messages(messages)}
        if tools:
            # litellm 1.103 and later import mcp 2 here, which crewai excludes.
            asked |= {"tools": tools, "_skip_mcp_handler": True}
        return asked | {"stream": bool(self._effective_stream())}

    def _hand_on(self, chunk: Any, more: dict[str, Any]) -> None:
        if chunk.choices and chunk.choices[0].delta.content:
            self._emit_stream_chunk_event(
                chunk=chunk.choices[0].delta.content,
                from_task=more.get("from_task"),
                from_agent=more.get("from_agent"),
            )


def _said(answer: Any) -> Any:
    message = answer.choices[0].message
    return message.tool_calls or message.content


def routed(lane: Lane, cell: Cell, **options: int) -> Outcome:
    """A crew on a Router with two model groups, the second the fallback."""
    settings = lane.begin(cell)
    chosen = settings.deployments
    groups = {"first": chosen[cell.family], "second": chosen[cell.second]}
    router = litellm.Router(
        [{"model_name": n, "litellm_params": _params(d)} for n, d in groups.items()],
        fallbacks=[{"first": ["second"]}],
        **options,
    )
    return _peer(lane, cell, _one_agent(settings, cell, RouterLLM.on(router)))


def _params(deployment: Deployment) -> dict[str, Any]:
    return {
        "model": deployment.model,
        "api_key": "none",
        "api_base": deployment.base_url,
        "timeout": deployment.timeout or PATIENCE,
    }


def _one_agent(settings: Settings, cell: Cell, llm: BaseLLM) -> Crew:
    """The crew that ours is, on another LLM."""
    (role,), (task,) = settings.roles.values(), settings.tasks.values()
    tools = build_tools(("list_files",), _workspace(settings), llm)
    agent = Agent(
        role=role.role,
        goal=role.goal,
        backstory=role.backstory,
        llm=llm,
        tools=tools if cell.way.tools else [],
    )
    hello = Task(
        description=task.description,
        expected_output=task.expected_output,
        agent=agent,
    )
    return Crew(agents=[agent], tasks=[hello])


def _workspace(settings: Settings) -> Workspace:
    directory: Path = settings.state_dir / uuid4().hex / "workspace"
    made = Workspace.prepare(directory, directory.parent.name, Inputs(request=""))
    (directory / FILE).touch()
    return made


def _peer(lane: Lane, cell: Cell, made: Crew) -> Outcome:
    seconds, wrong, ended = bounded(lambda: kicked_off(made, cell.way), cell, BOUND)
    first, second = lane.attempts(cell)
    if not ended:
        lane.open()
        new_clients()
    return Outcome(cell=cell, seconds=seconds, first=first, second=second, wrong=wrong)


# What is the same for all of them.


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a crew answered in the end, and what came in chunks, if it streamed."""

    text: str
    chunks: str | None = None


Work = Callable[[Crew, Way], Said]


def kicked_off(made: Crew, way: Way) -> Said:
    """Let the crew work, in its way. A new loop for each that is awaited is the
    hardest: clients of the old ones are left over."""
    made.stream = way.stream
    if way.awaited:
        return asyncio.run(_awaited(made))
    result: Any = made.kickoff()
    if not way.stream:
        return Said(text=result.raw)
    chunks = "".join(chunk.content for chunk in result)
    return Said(text=result.result.raw, chunks=chunks)


async def _awaited(made: Crew) -> Said:
    result: Any = await made.akickoff()
    if not made.stream:
        return Said(text=result.raw)
    chunks = "".join([chunk.content async for chunk in result])
    return Said(text=result.result.raw, chunks=chunks)


def judged(said: Said, way: Way) -> str:
    """What is wrong with it: the text is the server's whole answer, and so is the end
    of the chunks, which begin with what came before the fault."""
    whole = f"{SAID}\nIt was told: {FILE}" if way.tools else SAID
    if said.text != whole:
        return f"returned {said.text[:80]!r}"
    if said.chunks is not None and not said.chunks.endswith(whole):
        return f"streamed {said.chunks[-80:]!r}"
    return ""


def bounded(
    work: Callable[[], Said], cell: Cell, bound: float
) -> tuple[float, str, bool]:
    """Do the work: its seconds, what is wrong, and whether it came to an end."""
    verdicts: list[str] = []

    def run() -> None:
        try:
            verdicts.append(judged(work(), cell.way))
        except Exception as error:  # whatever it is, the cell did not finish
            text = " ".join(str(error).split())
            verdicts.append(f"{type(error).__name__}: {text[:100]}")

    thread = threading.Thread(target=run, daemon=True)
    began = time.perf_counter()
    thread.start()
    thread.join(bound)
    seconds = time.perf_counter() - began
    wrong = verdicts[0] if verdicts else f"no end after {bound:g} s"
    return seconds, wrong, bool(verdicts)


def new_clients() -> None:
    """Let litellm make new HTTP clients: a call that hangs may hold the pool of the
    old ones, and the next cell would hang with it."""
    litellm.in_memory_llm_clients_cache = type(litellm.in_memory_llm_clients_cache)()
    for name in ("module_level_client", "module_level_aclient"):
        vars(litellm).pop(name, None)
