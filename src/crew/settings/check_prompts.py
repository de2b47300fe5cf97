"""The files that hold styles of prompts, and the families that have one."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from crew.settings.document import Document, KeyPath
from crew.settings.files import Files, Shapes
from crew.settings.prompts import is_of
from crew.settings.styles import BUILT_IN, FILE, Style
from crew.settings.values import Deployment

_BYTES = 32 * 1024
"""A style goes along with every call."""


def read_styles(
    directory: Path, contents: Mapping[str, bytes] | None, names: Iterable[str]
) -> dict[str, Style]:
    """The styles of these names, those that are built in included. Raises ValueError,
    with what is wrong with a file."""
    files = dict.fromkeys(name for name in names if name not in BUILT_IN)
    return {**BUILT_IN, **{one: _read(directory, contents, one) for one in files}}


def _read(directory: Path, contents: Mapping[str, bytes] | None, name: str) -> Style:
    path = directory / name
    inside = path.resolve().is_relative_to(directory.resolve())
    if Path(name).is_absolute() or not inside:
        raise ValueError(f"{name!r} leads out of the directory of the configuration")
    try:
        if contents is None:
            if not path.is_file():
                raise ValueError(f"there is no file {path}")
            with path.open("rb") as file:
                content = file.read(_BYTES + 1)
        else:
            content = contents[Path(name).as_posix()]
    except KeyError:
        raise ValueError(f"there is no file {path}") from None
    except OSError as exc:
        raise ValueError(f"{path} cannot be read: {exc.strerror}") from None
    if len(content) > _BYTES:
        raise ValueError(f"{path} is larger than {_BYTES:,} bytes")
    try:
        text = content.decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not UTF-8") from None
    if not text:
        raise ValueError(f"{path} is empty; `none` is for no style")
    return Style(name=name, text=text)


def check_prompts(
    files: Files,
    shapes: Shapes,
    directory: Path,
    contents: Mapping[str, bytes] | None,
    deployments: Mapping[str, Deployment],
) -> dict[str, Style]:
    """The styles by name. Notes each file that cannot be read, and each family that no
    model belongs to."""
    found = dict(BUILT_IN)
    for document, path, name in _named(files, shapes):
        if name in found or not name.endswith(FILE):
            continue
        try:
            found |= read_styles(directory, contents, [name])
        except ValueError as exc:
            document.reject(path, str(exc))
    _check_families(files.providers, shapes, deployments)
    return found


def _named(files: Files, shapes: Shapes) -> Iterator[tuple[Document, KeyPath, str]]:
    for word, name in shapes.prompts.items():
        yield files.providers, ("prompts", word), name
    for deployment, shape in shapes.deployments.items():
        if shape.prompt is not None:
            path = ("deployments", deployment, "prompt")
            yield files.providers, path, shape.prompt
    for experiment, one in shapes.experiments.items():
        for index, arm in enumerate(one.arms):
            if arm.prompt is not None and files.experiments is not None:
                at = ("experiments", experiment, "arms", index, "prompt")
                yield files.experiments, at, arm.prompt


def _check_families(
    document: Document, shapes: Shapes, deployments: Mapping[str, Deployment]
) -> None:
    if len(deployments) < len(document.names("deployments") or ()):
        return  # the model may be that of one that cannot be read
    for word in shapes.prompts:
        if not any(is_of(one, word) for one in deployments.values()):
            document.reject_key(
                ("prompts", word),
                "no model belongs to it: no `model` holds this word behind its prefix",
            )
