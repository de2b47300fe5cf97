"""Z.ai."""

from typing import Any

from crew.emulator.families.family import Family, chat_at
from crew.emulator.reasoning import FIELDS, THOUGHT


class Zai(Family):
    """Z.ai: below a path of its own, and its models reason aloud."""

    path = "api/paas/v4"
    endpoints = chat_at("/api/paas/v4")
    lists = ("/api/paas/v4/models",)
    reasoning_taken = FIELDS

    def reasoning(self, model: str) -> dict[str, Any]:
        return {"reasoning_content": THOUGHT}


ZAI = Zai("zai")
