"""Ollama."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from crew.emulator.enforcement import Breach
from crew.emulator.envelopes import Reply
from crew.emulator.families.family import Family
from crew.emulator.model_entries import Entry, openai_entry, upstream_id
from crew.emulator.protocols.ollama import Chat
from crew.emulator.reasoning import FIELDS
from crew.emulator.state import State
from crew.quota.limits import WindowKind
from crew.settings import Deployment

_VERSION = "0.30.0"
_TAGS = "/api/tags"


class Ollama(Family):
    """Ollama: its own protocol beside OpenAI's, and no limit but its own capacity."""

    path = ""
    client = 'ollama.Client(host="{address}")'
    endpoints = (("/api/chat", Chat()),)
    lists = (_TAGS, "/v1/models")
    reasoning_taken = FIELDS

    def refusal(
        self, deployment: Deployment, breaches: Sequence[Breach], now: float
    ) -> Reply:
        if breaches[0].limit.kind is WindowKind.LEASE:
            return self.out_of_capacity(upstream_id(deployment))
        return super().refusal(deployment, breaches, now)

    def unknown_model(self, model: str) -> Reply:
        message = f'model "{model}" not found, try pulling it first'
        return self.failure(404, "model_not_found", message)

    def out_of_capacity(self, model: str) -> Reply:
        message = "server busy, please try again.  maximum pending requests exceeded"
        return self.failure(503, "server_is_overloaded", message)

    def entry(self, deployment: Deployment) -> Entry:
        name = upstream_id(deployment)
        return {"name": name, "model": name, "size": 0, "details": {"format": "gguf"}}

    def listing(
        self, models: Sequence[Deployment], path: str, query: Mapping[str, str]
    ) -> object:
        if path == _TAGS:
            return {"models": [self.entry(model) for model in models]}
        data = [openai_entry(model, owner=self.name) for model in models]
        return {"object": "list", "data": data}

    def routes(self, state: State) -> list[Route]:
        async def show(request: Request) -> Response:
            """What it knows of one model."""
            body = json.loads(await request.body())
            name = body.get("model") or body.get("name") or ""
            deployment = state.find(request.path_params["provider"], name)
            if deployment is None:
                missing = {"error": f"model '{name}' not found"}
                return JSONResponse(missing, status_code=404)
            return JSONResponse(_shown(deployment))

        async def version(request: Request) -> Response:
            return JSONResponse({"version": _VERSION})

        return [
            Route("/{provider}/api/show", show, methods=["POST"]),
            Route("/{provider}/api/version", version),
        ]


def _shown(deployment: Deployment) -> Mapping[str, Any]:
    able = {"tools": deployment.tools, "vision": deployment.vision}
    offered = "{{ .System }}{{ .Tools }}" if deployment.tools else "{{ .System }}"
    length = {"emulated.context_length": deployment.context_window}
    return {
        "template": f"{offered}{{{{ .Prompt }}}}",
        "details": {"family": "emulated", "format": "gguf"},
        "model_info": {"general.architecture": "emulated"} | length,
        "capabilities": ["completion", *(name for name, can in able.items() if can)],
    }


OLLAMA = Ollama("ollama", prefix="ollama_chat")
