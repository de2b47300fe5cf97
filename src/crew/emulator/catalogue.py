"""What a provider says of its models when nobody talks to one."""

import json
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from crew.emulator.dialects import family_of
from crew.emulator.envelopes import unknown_model
from crew.emulator.model_entries import Entry, entry_of, openai_entry
from crew.emulator.state import State
from crew.settings import Deployment

_OLLAMA_VERSION = "0.30.0"
_ANTHROPIC_PAGE = 20
_GEMINI_PAGE = 50
"""How many models a page has by default (2026-11)."""


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
        """The models of one provider, as its family lists them at that path."""
        provider = request.path_params["provider"]
        if not self._state.serves(provider):
            reply = unknown_model("openai", provider)
            return JSONResponse(reply.body, status_code=reply.status)
        entries, family = self._entries(request)
        match family:
            case "anthropic":
                page, rest = _page(request, entries, "limit", _ANTHROPIC_PAGE)
                ends = {"first_id": _id(page[:1]), "last_id": _id(page[-1:])}
                return JSONResponse({"data": page, "has_more": bool(rest)} | ends)
            case "gemini":
                return await self.gemini(request)
            case "together_ai":
                return JSONResponse(entries)
            case "ollama":
                found = self._state.listed(provider)
                data = [openai_entry(deployment) for deployment in found]
                return JSONResponse({"object": "list", "data": data})
            case _:
                return JSONResponse({"object": "list", "data": entries})

    async def gemini(self, request: Request) -> Response:
        """The same as Google lists them."""
        entries, _ = self._entries(request)
        page, rest = _page(request, entries, "pageSize", _GEMINI_PAGE)
        more = {"nextPageToken": "emulated"} if rest else {}
        return JSONResponse({"models": page} | more)

    async def tags(self, request: Request) -> Response:
        """The same as Ollama lists what was pulled."""
        return JSONResponse({"models": self._entries(request)[0]})

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

    def _entries(self, request: Request) -> tuple[list[Entry], str]:
        """What is listed, and the family in whose shape it is."""
        found = self._state.listed(request.path_params["provider"])
        family = family_of(found[0]) if found else ""
        return [entry_of(deployment) for deployment in found], family


def _page(
    request: Request, entries: list[Entry], name: str, usual: int
) -> tuple[list[Entry], list[Entry]]:
    """The first page, as large as the client wants it, and what is not on it."""
    wanted = request.query_params.get(name, "")
    size = int(wanted) if wanted.isdecimal() else usual
    return entries[:size], entries[size:]


def _id(entries: list[Entry]) -> str | None:
    return entries[0]["id"] if entries else None


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
