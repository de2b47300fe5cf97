"""What a provider says of its models when nobody talks to one."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from crew.emulator.envelopes import unknown_model
from crew.emulator.state import State


def catalogue_routes(state: State) -> list[Route]:
    """The routes that list models."""
    catalogue = _Catalogue(state)
    chat = ("/v1", "/api/v1", "/openai/v1", "/beta", "")
    return [
        *(Route(f"/{{provider}}{base}/models", catalogue.models) for base in chat),
        Route("/{provider}/v1beta/models", catalogue.gemini),
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
        names = self._state.models(provider)
        data = [{"id": name, "object": "model"} for name in names]
        return JSONResponse({"object": "list", "data": data})

    async def gemini(self, request: Request) -> Response:
        """The same as Google lists them."""
        names = self._state.models(request.path_params["provider"])
        methods = ["generateContent"]
        models = [
            {"name": f"models/{name}", "supportedGenerationMethods": methods}
            for name in names
        ]
        return JSONResponse({"models": models})
