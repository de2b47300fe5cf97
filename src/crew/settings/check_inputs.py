"""The repositories and images that a run is given: what is wrong with them."""

from collections.abc import Iterator
from pathlib import Path

from crew.errors import Mistake
from crew.settings.document import Document, KeyPath
from crew.settings.inputs import Inputs, at_home, is_address


def check_inputs(inputs: Inputs) -> list[Mistake]:
    """What is wrong with the request, repositories and images that the arguments of
    a run give. Writes nothing."""
    return [
        Mistake(
            file="arguments",
            line=None,
            key="REQUEST" if path[0] == "request" else str(path[0]),
            message=problem,
        )
        for path, problem in _problems(inputs)
    ]


def check_file(path: Path, inputs: Inputs) -> list[Mistake]:
    """The same of inputs that the file at `path` gives."""
    document = Document(path, {})
    mistakes = []
    for place, problem in _problems(inputs):
        line, key, _ = document.at(place)
        mistakes.append(Mistake(file=str(path), line=line, key=key, message=problem))
    return mistakes


def _problems(inputs: Inputs) -> Iterator[tuple[KeyPath, str]]:
    inputs = at_home(inputs)
    if not inputs.request.strip():
        yield ("request",), "it is empty"
    for index, given in enumerate(inputs.repositories):
        path = Path(given)
        if not path.is_dir():
            missing = not path.exists()
            found = "no such directory" if missing else "it is not a directory"
            yield ("repositories", index), f"{given!r}: {found}"
    for index, given in enumerate(inputs.images):
        if problem := _image_problem(given):
            yield ("images", index), f"{given!r}: {problem}"


def _image_problem(given: str) -> str | None:
    if is_address(given):
        # Imported here, as below: most runs have no images.
        from crew.images.fetch import problem

        return problem(given)
    if "://" in given:
        return "only http:// and https:// addresses are allowed"
    path = Path(given)
    if not path.is_file():
        return "no such file" if not path.exists() else "it is not a file"
    # Imported here: most runs have no images and need no Pillow.
    from crew.images.image import IMAGE_BYTES, NotAnImage, identify

    try:
        with path.open("rb") as file:
            identify(file.read(IMAGE_BYTES + 1))
    except NotAnImage as exc:
        return str(exc)
    except OSError as exc:
        return str(exc.strerror)
    return None
