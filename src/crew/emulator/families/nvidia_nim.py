"""NVIDIA NIM, the free endpoints of build.nvidia.com."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from crew.emulator.enforcement import Breach
from crew.emulator.envelopes import Reply
from crew.emulator.families.family import Family
from crew.emulator.reasoning import THOUGHT
from crew.settings import Deployment


class NvidiaNim(Family):
    """NVIDIA NIM: its gateway names no limit, and its workers run out of room."""

    def refusal(
        self, deployment: Deployment, breaches: Sequence[Breach], now: float
    ) -> Reply:
        return Reply(status=429, body={"status": 429, "title": "Too Many Requests"})

    def failure(self, status: int, code: str, message: str) -> Reply:
        titles = {one.value: one.phrase for one in HTTPStatus}
        body = {"status": status, "title": titles.get(status, ""), "detail": message}
        return Reply(status=status, body=body)

    def unknown_model(self, model: str) -> Reply:
        message = f"Function '{model}': Not found for account 'emulated'"
        return self.failure(404, "model_not_found", message)

    def out_of_capacity(self, model: str) -> Reply:
        error = {
            "message": "ResourceExhausted: Worker local total request limit reached "
            "(163/32)",
            "type": "Service Unavailable",
            "code": 503,
        }
        return Reply(status=503, body={"error": error})

    def reasoning(self, model: str) -> dict[str, Any]:
        return {"reasoning_content": THOUGHT}


NVIDIA_NIM = NvidiaNim("nvidia_nim")
