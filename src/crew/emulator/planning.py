"""The scripted planner: what a part of a pattern says that plans and calls nothing."""

import re
from collections.abc import Sequence

from crew.emulator.conversation import Conversation

_PLANNER = "You are the planner."
_TOOL = re.compile(r"^- (\w+)\(", re.MULTILINE)
_WRITING = ("write_file", "edit_file")


def planned(talk: Conversation, steps: Sequence[str]) -> str | None:
    """The next step in words, for who is asked for it; None for anybody else. The
    calls so far stand in the conversation as text."""
    asked = talk.texts("user")[-1:]
    if not asked or _PLANNER not in asked[0]:
        return None
    said = "\n".join(message.text for message in talk.messages)
    offered = _TOOL.findall(asked[0].partition(_PLANNER)[2])
    made = [name for name in offered if f'"name": "{name}"' in said]
    left = [name for name in steps if name in offered and name not in made]
    if not left or any(name in made for name in _WRITING):
        return "A rehearsed plan: nothing is left to do.\nNext: summarizer"
    return f"A rehearsed plan: call {left[0]}, which was not called yet.\nNext: caller"
