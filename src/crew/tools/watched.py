"""Tools whose uses are noticed, whoever made them: ours, CrewAI's, a user's own."""

import asyncio
import functools
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from crewai.tools import BaseTool

from crew.clock import SystemClock


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """One use of a tool. `arguments` are what the model wrote; `ok` is false when the
    tool raised, or answered with an error."""

    tool: BaseTool
    arguments: Mapping[str, Any]
    seconds: float
    ok: bool


Seen = Callable[[Use], None]


def watched(tools: Sequence[BaseTool], seen: Seen) -> list[BaseTool]:
    """The same tools; `seen` gets each use of them from now on, and whoever watched
    them before gets none."""
    for tool in tools:
        run = getattr(tool._run, "crew_watches", tool._run)
        # CrewAI calls a tool by its `run` or by its `_run`, and both end here.
        object.__setattr__(tool, "_run", _watched(tool, run, seen))
    return list(tools)


def seen_by(tool: BaseTool) -> Seen | None:
    """Who gets the uses of a tool; None where nobody does."""
    seen: Seen | None = getattr(tool._run, "crew_seen", None)
    return seen


def watched_like(tool: BaseTool, made: BaseTool) -> BaseTool:
    """The tool that was made in place of another; it is watched where that was."""
    seen = seen_by(tool)
    return watched([made], seen)[0] if seen is not None else made


def _watched(tool: BaseTool, run: Callable[..., Any], seen: Seen) -> Callable[..., Any]:
    clock = SystemClock()

    @functools.wraps(run)
    def use(*args: Any, **kwargs: Any) -> Any:
        began = clock.monotonic()

        def end(ok: bool) -> None:
            seconds = clock.monotonic() - began
            seen(Use(tool=tool, arguments=kwargs, seconds=seconds, ok=ok))

        try:
            result = run(*args, **kwargs)
        except BaseException:
            end(False)
            raise
        if asyncio.iscoroutine(result):
            return _awaited(result, end)
        end(not _is_error(result))
        return result

    use.crew_watches = run  # type: ignore[attr-defined]
    use.crew_seen = seen  # type: ignore[attr-defined]
    return use


async def _awaited(result: Awaitable[Any], end: Callable[[bool], None]) -> Any:
    try:
        found = await result
    except BaseException:
        end(False)
        raise
    end(not _is_error(found))
    return found


def _is_error(result: Any) -> bool:
    """As our tools, and CrewAI's, tell a model of it."""
    return isinstance(result, str) and result.startswith(("Error:", "\nError"))
