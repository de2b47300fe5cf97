"""The lists of models, at the path and in the shape of each family."""

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from crew.emulator.families.registry import FAMILIES, family, family_of
from crew.emulator.state import State


def catalogue_routes(state: State) -> list[Route]:
    """The routes that list models, and what else a family answers beside calls."""
    paths = dict.fromkeys(path for one in FAMILIES for path in one.lists)
    others = [route for one in FAMILIES for route in one.routes(state)]
    return [
        *(Route(f"/{{provider}}{path}", _listing(state, path)) for path in paths),
        *others,
    ]


def _listing(state: State, path: str) -> Callable[[Request], Awaitable[Response]]:
    async def models(request: Request) -> Response:
        """The models of one provider, as its family lists them at that path."""
        provider = request.path_params["provider"]
        if not state.serves(provider):
            reply = family("openai").unknown_model(provider)
            return JSONResponse(reply.body, status_code=reply.status)
        found = state.listed(provider)
        played = family_of(found[0]) if found else family(provider)
        return JSONResponse(played.listing(found, path, request.query_params))

    return models
