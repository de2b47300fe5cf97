"""Files that a role's model writes as text: they become calls of `write_file`.

Only for a role that has the tool and a deployment that takes none: the paths, the
events and the journal are those of the tool.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from crew.calls.whole_files import NamedFile, WholeFile, whole_files
from crew.calls.written_calls import WrittenCall
from crew.settings import Role

TOOL = "write_file"


@dataclass(frozen=True, slots=True, kw_only=True)
class FilesByText:
    """What one conversation writes. `tool` is the tool that takes whole files, and
    empty where the role has none; `named` are the files that the task names."""

    tool: str
    named: tuple[NamedFile, ...]
    messages: Sequence[Any]

    @classmethod
    def of(
        cls,
        role: Role,
        tools: Sequence[Any] | None,
        named: tuple[NamedFile, ...],
        messages: Sequence[Any],
    ) -> "FilesByText":
        """For a role with these tools. One that was brought along is no tool of ours,
        whatever its name is."""
        offered = {tool["function"]["name"] for tool in tools or ()}
        has = TOOL in role.tools and TOOL in offered
        return cls(tool=TOOL if has else "", named=named, messages=messages)

    def calls(self, text: str) -> tuple[WrittenCall, ...]:
        """The calls that write the files of a text; none for what was written before:
        a model that repeats its file has nothing else to say."""
        if not self.tool:
            return ()
        made = list(_written(self.messages))
        open_ = [one for one in self.named if not any(_is(one, file) for file in made)]
        return tuple(
            WrittenCall(
                name=self.tool,
                arguments=json.dumps(
                    {"path": file.path, "content": file.content, "whole": True}
                ),
            )
            for file in whole_files(text, open_)
            if file not in made
        )

    def ended(self) -> str:
        """What a model says that has just written the last file that the task names:
        it need not be asked again. Empty as long as there is more to do."""
        results: list[str] = []
        for message in reversed(self.messages):
            if message.get("role") != "tool":
                break
            results.insert(0, str(message.get("content") or ""))
        made = list(_written(self.messages))
        wanted = [one for one in self.named if not one.is_test] or self.named
        before = self.messages[-len(results) - 1 :][:1] if results else ()
        latest = list(_written(before))
        is_done = (
            self.named
            and results
            and len(latest) == len(results)
            and not any(result.startswith("Error") for result in results)
            and all(any(_is(one, file) for file in made) for one in wanted)
        )
        return "\n".join(results) if is_done else ""


def _written(messages: Sequence[Mapping[str, Any]]) -> Iterator[WholeFile]:
    """The files that a conversation wrote as text."""
    for message in messages:
        for call in message.get("tool_calls") or ():
            if call["function"]["name"] != TOOL:
                continue
            match _parsed(call["function"]["arguments"]):
                case {"path": str(path), "content": str(content), "whole": True}:
                    yield WholeFile(path=path, content=content)


def _parsed(arguments: object) -> object:
    try:
        return json.loads(str(arguments or "{}"))
    except (ValueError, RecursionError):
        return None


def _is(named: NamedFile, file: WholeFile) -> bool:
    """Whether a file is the named one; a model may put the repository before it."""
    own, wanted = PurePosixPath(file.path).parts, PurePosixPath(named.path).parts
    return own[-len(wanted) :] == wanted
