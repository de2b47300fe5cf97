"""What a provider says of its models when nobody talks to one."""

import json
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from crew.emulator.envelopes import unknown_model
from crew.emulator.state import State
from crew.settings import Deployment

_OLLAMA_VERSION = "0.30.0"


def catalogue_routes(state: State) -> list[Route]:
    """The routes that list models."""
    catalogue = _Catalogue(state)
    chat = ("/v1", "/api/v1", "/openai/v1", "/beta", "")
    return [
        *(Route(f"/{{provider}}{base}/models", catalogue.models) for base in chat),
        Route("/{provider}/v1beta/models", catalogue.gemini),
        Route("/{provider}/api/tags", catalogue.tags),
        Route("/{provider}/api/show", catalogue.show, methods=["POST"]),
        Route("/{provider}/api/version", catalogue.version),
    ]


class _Catalogue:
    def __init__(self, state: State) -> None:
        self._state = state

    async def models(self, request: Request) -> Response:
        """The models of one provider, by the provider's own ids."""
        provider = request.path_params["provider"]
        if not self._state.serves(provider):
            reply = unknown_model("openai", provider)
            return JSONResponse(reply.body, status_code=reply.status)
        data = [{"id": name, "object": "model"} for name in self._names(request)]
        return JSONResponse({"object": "list", "data": data})

    async def gemini(self, request: Request) -> Response:
        """The same as Google lists them."""
        methods = ["generateContent"]
        models = [
            {"name": f"models/{name}", "supportedGenerationMethods": methods}
            for name in self._names(request)
        ]
        return JSONResponse({"models": models})

    async def tags(self, request: Request) -> Response:
        """The same as Ollama lists what was pulled."""
        names = self._names(request)
        models = [{"name": name, "model": name, "size": 0} for name in names]
        return JSONResponse({"models": models})

    async def show(self, request: Request) -> Response:
        """What Ollama knows of one model."""
        body = json.loads(await request.body())
        name = body.get("model") or body.get("name") or ""
        deployment = self._state.find(request.path_params["provider"], name)
        if deployment is None:
            missing = {"error": f"model '{name}' not found"}
            return JSONResponse(missing, status_code=404)
        return JSONResponse(_shown(deployment))

    async def version(self, request: Request) -> Response:
        """Which Ollama this pretends to be."""
        return JSONResponse({"version": _OLLAMA_VERSION})

    def _names(self, request: Request) -> list[str]:
        return self._state.models(request.path_params["provider"])


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
