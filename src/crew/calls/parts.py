"""One call of an agent as calls of several models: planner, caller and summarizer, or
architect and editor.

CrewAI sees one LLM and one answer. Each part is a call of the guard like any other,
and hears the whole conversation and what it is to do. The plan stands beside the tool
call that it led to, so that all parts see it from then on.
"""

import re
from collections.abc import Generator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from crew.calls.current_task import is_escalated, pattern_for
from crew.calls.size import measure
from crew.calls.text_tools import as_text
from crew.providers.answer import Answer
from crew.settings.patterns import Pattern

if TYPE_CHECKING:
    from crew.calls.call import Call

READING = ("list_files", "repo_map", "read_file", "search_files", "look_at_image")
"""The tools of an architect: those that change nothing."""
PLAN = """\
You are the planner. You call no tool yourself: a coworker, the caller, does it with:
{tools}
Say in a few words what the next step is: which one tool, with what input, and why. \
End with the line `Next: caller` where a tool is to be called, or with the line \
`Next: summarizer` where nothing is left to do but the final answer."""
CALL = """\
You are the caller. The plan for the next step:

{plan}

Make this one tool call now, and write nothing beside it."""
NO_CALL = "That was no tool call. Make the one tool call that the plan names."
SUMMARIZE = """\
You are the summarizer. The planner finds that nothing is left to do:

{plan}

Write the final answer to the task from what stands above, in the form that was asked \
for. Call no tool."""
DESIGN = """\
You are the architect. Plan the change in words, for an editor who makes it with tools \
of his own; you change nothing. Read first what you need to know. Then answer with the \
plan alone: which files, what changes in each, and the code where it matters."""
EDIT = """\
You are the editor. The architect's plan:

{plan}

Carry it out with the tools, step by step, and then give the final answer."""
_NEXT = re.compile(r"\bnext(?: step)?\W{1,6}(caller|summarizer)\b", re.IGNORECASE)

Parts = Generator["Call", Answer, Answer]
"""Calls to make, one after the other; each gets its answer, and the last is whose
answer the agent gets."""


def parts_of(call: "Call") -> Parts | None:
    """The parts of a call; None where its role has no pattern, or is at a further step
    of the ladder: there a stronger model works alone."""
    if call.asked is not None or call.part:
        return None
    pattern = pattern_for(call.role, call.run.settings.roles[call.role].pattern)
    if pattern is None or is_escalated(call.role):
        return None
    if not call.tools and measure(call.messages).images:
        return None  # a question about an image, which only some models see
    planned = "planner" in pattern.parts
    return _planned(call, pattern) if planned else _designed(call, pattern)


def made(parts: Parts) -> Answer:
    """The answer that the parts make together. Raises what a part raises."""
    try:
        call = next(parts)
        while True:
            call = parts.send(call.complete())
    except StopIteration as exc:
        found: Answer = exc.value
        return found


async def amade(parts: Parts) -> Answer:
    """As `made`, without blocking the event loop."""
    try:
        call = next(parts)
        while True:
            call = parts.send(await call.acomplete())
    except StopIteration as exc:
        found: Answer = exc.value
        return found


def _planned(call: "Call", pattern: Pattern) -> Parts:
    if not call.tools or call.response_model is not None:
        return (yield _part(call, pattern, "summarizer"))
    plan = yield _without_tools(
        _part(call, pattern, "planner", PLAN.format(tools=_listed(call.tools))),
        is_aside=True,
    )
    if not _calls(plan.text, call.tools):
        said = SUMMARIZE.format(plan=plan.text.strip())
        answer = yield _without_tools(_part(call, pattern, "summarizer", said))
        return _after(answer, plan)
    caller = replace(
        _part(call, pattern, "caller", CALL.format(plan=plan.text.strip())),
        beside=plan.text.strip(),
    )
    answer = yield caller
    if answer.tool_calls:
        return _after(answer, plan)
    told = [_said("assistant", answer.text), _said("user", NO_CALL)]
    again = yield replace(caller, messages=[*caller.messages, *told])
    return _after(again, plan, answer)


def _designed(call: "Call", pattern: Pattern) -> Parts:
    editor = _part(call, pattern, "editor")
    is_planned = call.reasoning.has_plan(call.messages)
    if not call.tools or call.response_model is not None or is_planned:
        return (yield editor)
    reading = [tool for tool in call.tools if _name(tool) in READING]
    architect = replace(
        _part(call, pattern, "architect", DESIGN), tools=reading or None
    )
    plan = yield architect if reading else _without_tools(architect)
    if plan.tool_calls:
        return plan
    said = EDIT.format(plan=plan.text.strip())
    editor = _part(call, pattern, "editor", said)
    return _after((yield replace(editor, beside=plan.text, plans=True)), plan)


def _part(call: "Call", pattern: Pattern, part: str, said: str = "") -> "Call":
    """The call as a part makes it: at its own deployments, with a word to it at the end
    of the conversation."""
    messages = [*call.messages, _said("user", said)] if said else call.messages
    return replace(call, part=part, via=pattern, messages=messages)


def _without_tools(call: "Call", *, is_aside: bool = False) -> "Call":
    """The call for words alone. The conversation's tool calls become text: some
    providers refuse them where no tools are sent. What is no answer of the agent's is
    an aside: it is not shown, and does not count as one of its turns."""
    messages = as_text(call.reasoning.with_texts(call.messages), None)
    relay = None if is_aside else call.relay
    return replace(
        call, messages=list(messages), tools=None, relay=relay, is_aside=is_aside
    )


def _after(answer: Answer, *before: Answer) -> Answer:
    """The last answer, with what those before it took."""
    usages = [one.usage for one in before if one.usage is not None]
    return replace(answer, asides=(*usages, *answer.asides))


def _calls(plan: str, tools: Sequence[Any]) -> bool:
    """Whether a plan asks for a tool call: as its last such line says, or without one
    because it names a tool."""
    if found := _NEXT.findall(plan):
        return str(found[-1]).lower() == "caller"
    return any(re.search(rf"\b{re.escape(_name(tool))}\b", plan) for tool in tools)


def _listed(tools: Sequence[Any]) -> str:
    """The tools in words, a line each, with their inputs."""
    lines = []
    for tool in tools:
        function = tool["function"]
        known = (function.get("parameters") or {}).get("properties") or {}
        first = str(function.get("description") or "").strip().partition("\n")[0]
        lines.append(f"- {function['name']}({', '.join(known)}): {first}")
    return "\n".join(lines)


def _name(tool: Any) -> str:
    return str(tool["function"]["name"])


def _said(role: str, text: str) -> dict[str, str]:
    return {"role": role, "content": text}
