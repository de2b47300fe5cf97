"""The repositories and images that a run is given: what is wrong with them."""

from pathlib import Path
from urllib.parse import urlsplit

from crew.errors import Mistake
from crew.settings import Inputs


def check_inputs(inputs: Inputs, *, file: str = "arguments") -> list[Mistake]:
    """What is wrong with the repositories and images of a run. Writes nothing."""
    mistakes = []
    for given in inputs.repositories:
        path = Path(given)
        found = "no such directory" if not path.exists() else "it is not a directory"
        if not path.is_dir():
            mistakes.append(_mistake(file, "repositories", f"{given!r}: {found}"))
    for given in inputs.images:
        if problem := _image_problem(given):
            mistakes.append(_mistake(file, "images", f"{given!r}: {problem}"))
    return mistakes


def is_address(image: str) -> bool:
    """Whether an image is named by an http(s) address."""
    try:
        parts = urlsplit(image)
        return parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:  # such as a broken IPv6 address
        return False


def _image_problem(given: str) -> str | None:
    if is_address(given):
        # Imported here, as below: most runs have no images.
        from crew.addresses import problem

        return problem(given)
    if "://" in given:
        return "only http:// and https:// addresses are allowed"
    path = Path(given)
    if not path.is_file():
        return "no such file" if not path.exists() else "it is not a file"
    # Imported here: most runs have no images and need no Pillow.
    from crew.images import IMAGE_BYTES, NotAnImage, identify

    try:
        with path.open("rb") as file:
            identify(file.read(IMAGE_BYTES + 1))
    except NotAnImage as exc:
        return str(exc)
    except OSError as exc:
        return str(exc.strerror)
    return None


def _mistake(file: str, key: str, message: str) -> Mistake:
    return Mistake(file=file, line=None, key=key, message=message)
