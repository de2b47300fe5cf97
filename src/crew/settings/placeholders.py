"""Placeholders in the texts of roles and tasks: `{topic}` stands for an input.

`{{topic}}` keeps its braces and becomes `{topic}`, as in Python's own f-strings, and
`{{{topic}}}` is the value in braces. Braces around anything that is no name belong to
the text.
"""

import re
from collections.abc import Iterable, Iterator, Mapping

from crew.errors import Mistake
from crew.settings.document import Document
from crew.settings.inputs import Inputs
from crew.settings.values import PLACEHOLDERS, Settings
from crew.settings.wording import unknown

_NAME = r"[A-Za-z_][A-Za-z0-9_\-]*"
"""CrewAI's own rule."""
_BRACED = re.compile(
    rf"\{{\{{\{{(?P<in_braces>{_NAME})\}}\}}\}}"
    rf"|\{{\{{(?P<escaped>{_NAME})\}}\}}"
    rf"|\{{(?P<plain>{_NAME})\}}"
)
RULE = (
    "no text can ask for this name; "
    "allowed: letters, digits, _ and -, with a letter or _ first"
)


def is_name(name: str) -> bool:
    """Whether a text can ask for this name."""
    return re.fullmatch(_NAME, name) is not None


def names(text: str) -> list[str]:
    """The inputs that a text asks for, each once, in their order."""
    found = (match["in_braces"] or match["plain"] for match in _BRACED.finditer(text))
    return list(dict.fromkeys(name for name in found if name))


def escaped(text: str) -> list[str]:
    """The names that a text writes in double braces, for the text itself."""
    found = (match["escaped"] for match in _BRACED.finditer(text))
    return list(dict.fromkeys(name for name in found if name))


def fill(text: str, values: Mapping[str, object]) -> str:
    """The text with its placeholders replaced. In one pass: a value that holds braces
    is left as it is. A name without a value stays."""

    def value(match: re.Match[str]) -> str:
        if literal := match["escaped"]:
            return f"{{{literal}}}"
        name = match["in_braces"] or match["plain"]
        if name not in values:
            return f"{{{name}}}"
        filled = as_text(values[name])
        return f"{{{filled}}}" if match["in_braces"] else filled

    return _BRACED.sub(value, text)


def as_text(value: object) -> str:
    """An input as a text shows it; a list is joined with commas."""
    if isinstance(value, list | tuple):
        return ", ".join(str(part) for part in value)
    return str(value)


def check_placeholders(settings: Settings, inputs: Inputs) -> list[Mistake]:
    """What the texts of roles and tasks ask for, such as `{request}`, and no input
    of this run gives."""
    allowed = [*PLACEHOLDERS, *inputs.values]
    mistakes = [
        Mistake(
            file="arguments",
            line=None,
            key=f"--input {name}",
            message="every run sets this one itself" if name in PLACEHOLDERS else RULE,
        )
        for name in inputs.values
        if name in PLACEHOLDERS or not is_name(name)
    ]
    every = _texts(settings)
    used = {n for texts in every.values() for one in texts.values() for n in names(one)}
    for file, texts in every.items():
        document = Document(settings.config_dir / file, {})
        for path, text in texts.items():
            for name in names(text):
                if name not in allowed:
                    mistakes.append(_unfilled(document, path, name, allowed))
            for name in escaped(text):
                if name in allowed and name not in used:
                    mistakes.append(_not_asked_for(document, path, name))
    return mistakes or list(_twins(settings, inputs))


def _texts(settings: Settings) -> dict[str, dict[tuple[str, str], str]]:
    """The texts in which placeholders are filled, by file and key."""
    return {
        "agents.yaml": {
            (role.name, key): text
            for role in settings.roles.values()
            for key, text in (
                ("role", role.role),
                ("goal", role.goal),
                ("backstory", role.backstory),
            )
        },
        "tasks.yaml": {
            (task.name, key): text
            for task in settings.tasks.values()
            for key, text in (
                ("description", task.description),
                ("expected_output", task.expected_output),
            )
        },
    }


def _unfilled(
    document: Document, path: tuple[str, str], name: str, allowed: Iterable[str]
) -> Mistake:
    braced = [f"{{{one}}}" for one in allowed]
    found = unknown("placeholder", f"{{{name}}}", braced)
    return _mistake(
        document,
        path,
        f"{found}; give it under `values` of inputs.yaml "
        f"or as --input {name}=TEXT; for the text itself write {{{{{name}}}}}",
    )


def _not_asked_for(document: Document, path: tuple[str, str], name: str) -> Mistake:
    """An input that is written in double braces only: it would be lost."""
    return _mistake(
        document,
        path,
        f"{{{{{name}}}}} is the text {{{name}}}, and nothing asks for the input; "
        f"for the input write {{{name}}}, and {{{{{{{name}}}}}}} for it in braces",
    )


def _twins(settings: Settings, inputs: Inputs) -> Iterator[Mistake]:
    """Roles that differ by a placeholder, and are the same once it is filled."""
    document = Document(settings.config_dir / "agents.yaml", {})
    called: dict[str, str] = {}
    for role in settings.roles.values():
        filled = fill(role.role, inputs.values)
        first = called.setdefault(as_delegated_to(filled), role.name)
        if first != role.name and filled != role.role:
            yield _mistake(
                document,
                (role.name, "role"),
                f"with the inputs of this run it is also the role of {first!r}; "
                "CrewAI finds a role by this text",
            )


def as_delegated_to(role: str) -> str:
    """The text of a role as CrewAI compares it when a manager names a coworker."""
    return " ".join(role.split()).replace('"', "").casefold()


def _mistake(document: Document, path: tuple[str, str], message: str) -> Mistake:
    line, key, _ = document.at(path)
    return Mistake(
        file=document.file, line=line, key=key or ".".join(path), message=message
    )
