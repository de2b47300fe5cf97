"""What the server answers, and where."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from crew.ui.page import Page, live_page
from crew.ui.stream import Stream

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What is served. `report` makes the page of a run, None where there is no such
    run; `metrics` is Prometheus' text. Both may raise CrewError."""

    stream: Stream
    report: Callable[[str], Page | None]
    metrics: Callable[[], str]


def build_app(answers: Answers) -> ASGIApp:
    """The application; who may ask is the gate's business. It only reads."""
    return Router(
        [
            Route("/", _live),
            Route("/events", _Events(answers.stream)),
            Route("/runs/{run}", partial(_run, answers)),
            Route("/metrics", partial(_metrics, answers)),
        ],
        redirect_slashes=False,
    )


@dataclass(frozen=True, slots=True)
class _Events:
    """An application of its own: a stream also hears when its reader goes."""

    stream: Stream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "GET":
            await Response(status_code=405)(scope, receive, send)
            return
        await self.stream.serve(scope, receive, send)


async def _live(request: Request) -> Response:
    return _shown(live_page())


async def _run(answers: Answers, request: Request) -> Response:
    page = await run_in_threadpool(answers.report, request.path_params["run"])
    return Response(status_code=404) if page is None else _shown(page)


async def _metrics(answers: Answers, request: Request) -> Response:
    text = await run_in_threadpool(answers.metrics)
    return Response(text, media_type=METRICS_TYPE)


def _shown(page: Page) -> Response:
    return HTMLResponse(page.text, headers={"content-security-policy": page.policy})
