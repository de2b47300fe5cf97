"""Chromium, where it is installed, and what a page complains of in it.

A file of tests that uses it says `pytestmark = NEEDED`, and imports `browser`.
"""

import shutil
from collections.abc import Iterator
from typing import Any

import pytest

sync_api = pytest.importorskip("playwright.sync_api")
axe = pytest.importorskip("axe_playwright_python.sync_playwright")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
NEEDED = pytest.mark.skipif(
    CHROMIUM is None, reason="Chromium is not installed: no page is looked at"
)
_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=_FLAGS)
        yield opened
        opened.close()


def opened(
    browser: Any, address: str, *allowed: str, **options: object
) -> tuple[Any, list[str]]:
    """The page, and what it and those that it opens complain of or ask the network
    for, but for what begins as `allowed`."""
    page = browser.new_page(**options)
    complaints: list[str] = []
    context = page.context
    context.on("console", lambda line: complaints.append(line.text))
    context.on("weberror", lambda found: complaints.append(str(found.error)))
    context.on(
        "dialog", lambda dialog: (complaints.append(dialog.message), dialog.dismiss())
    )
    context.on(
        "request",
        lambda request: (
            None
            if request.url.startswith(("data:", *allowed))
            else complaints.append(request.url)
        ),
    )
    page.goto(address)
    return page, complaints


def serious(page: Any) -> list[tuple[str, str]]:
    """What keeps people out who do not see or use a mouse."""
    found = axe.Axe().run(page).response["violations"]
    return [
        (one["id"], one["nodes"][0]["html"][:200])
        for one in found
        if one["impact"] in ("serious", "critical")
    ]
