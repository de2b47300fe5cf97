"""The pages in a real browser: Chromium, where it is installed."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chromium import NEEDED, browser, opened, serious
from crew.cli import main
from pages import calls, written
from small_config import write_files

pytestmark = NEEDED
__all__ = ["browser"]
RECORDED = calls(500)


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The pages of a run of 500 calls, of one of 40, and of all runs."""
    home = tmp_path_factory.mktemp("pages")
    write_files(home / "config")
    written(home / "state", home / "output", RECORDED)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CREW_CONFIG_DIR", str(home / "config"))
        patch.setenv("CREW_STATE_DIR", str(home / "state"))
        patch.chdir(home)
        assert main(["report", "r1", "--with-texts", "--html", "run.html"]) == 0
        assert main(["report", "--since", "52w", "--html", "history.html"]) == 0
    small = tmp_path_factory.mktemp("small")
    written(small / "state", small / "output", RECORDED[:40])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CREW_CONFIG_DIR", str(home / "config"))
        patch.setenv("CREW_STATE_DIR", str(small / "state"))
        patch.chdir(small)
        page = str(home / "small.html")
        assert main(["report", "r1", "--with-texts", "--html", page]) == 0
    yield home


def _opened(browser: Any, path: Path, **options: object) -> tuple[Any, list[str]]:
    return opened(browser, path.as_uri(), "file:", **options)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["small.html", "history.html"])
def test_a_page_is_sound_in_light_and_dark(
    browser: Any, pages: Path, name: str, scheme: str
) -> None:
    page, complaints = _opened(browser, pages / name, color_scheme=scheme)
    for summary in page.query_selector_all("summary"):
        summary.click()
    found = serious(page)
    page.close()

    assert complaints == []
    assert found == []


@pytest.mark.parametrize("name", ["run.html", "history.html"])
def test_a_page_fits_a_phone(browser: Any, pages: Path, name: str) -> None:
    page, complaints = _opened(
        browser, pages / name, viewport={"width": 360, "height": 740}
    )
    width = page.evaluate("document.documentElement.scrollWidth")
    page.close()

    assert complaints == []
    assert width <= 360


def test_a_bar_says_why_this_deployment_served(browser: Any, pages: Path) -> None:
    page, complaints = _opened(browser, pages / "run.html")
    bar = page.locator(".bar").nth(3)
    index = int(bar.get_attribute("data-call"))
    bar.focus()
    page.keyboard.press("Enter")
    said = page.locator("#call").inner_text()
    page.keyboard.press("ArrowRight")
    focused = page.evaluate("document.activeElement.dataset.call")
    page.close()

    assert "Why this deployment" in said
    assert f"{RECORDED[index].input_tokens} tokens in" in said
    assert focused not in (None, str(index))
    assert complaints == []


def test_the_page_of_a_run_opens_in_a_second(browser: Any, pages: Path) -> None:
    page, _ = _opened(browser, pages / "run.html")
    took = page.evaluate(
        "performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd"
    )
    page.close()

    assert took < 5_000  # A machine may be busy; benchmarks/pages.py has the figure.
