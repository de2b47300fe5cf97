"""A whole CrewAI project in a directory of its own: `crew init --project NAME`."""

import json
import keyword
import re
import shutil
import sys
import tempfile
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import unquote, urlsplit

from crew.errors import Mistake, SettingsError
from crew.setup.key_pages import KEY_PAGES

DISTRIBUTION = "tiercrew"
_NAME = re.compile(r"[A-Za-z](?:[A-Za-z0-9_-]{0,62}[A-Za-z0-9])?")
_TAKEN = frozenset({"crew", "tests", "test", "config", "src", "output"})
_TEMPLATE = Path(__file__).parent / "template"
_LAYOUT = {
    "pyproject.toml": "pyproject.toml.txt",
    "README.md": "README.md.txt",
    "AGENTS.md": "AGENTS.md.txt",
    ".gitignore": "gitignore.txt",
    "src/@PACKAGE@/__init__.py": "__init__.py.txt",
    "src/@PACKAGE@/main.py": "main.py.txt",
    "src/@PACKAGE@/crew.py": "crew.py.txt",
    "src/@PACKAGE@/tools.py": "tools.py.txt",
    "config/own_tools.py": "config/own_tools.py.txt",
    "tests/test_crew.py": "tests/test_crew.py.txt",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectName:
    """The name of a project, and that of its Python package."""

    name: str
    package: str


def project_name(text: str) -> ProjectName:
    """The name if a project may have it. Raises SettingsError."""
    package = text.lower().replace("-", "_")
    if not _NAME.fullmatch(text):
        raise _refused(
            f"{text!r} is no name for a project: use letters, digits, - and _, and "
            "begin with a letter"
        )
    if keyword.iskeyword(package) or keyword.issoftkeyword(package):
        raise _refused(f"{text!r} is a word of Python's; use another name")
    if package in _TAKEN or package in sys.stdlib_module_names or _installed(package):
        raise _refused(f"a package {package!r} is there already; use another name")
    return ProjectName(name=text, package=package)


def _installed(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except (ImportError, ValueError):
        return False


def write_project(
    parent: Path, name: ProjectName, config: Mapping[str, str]
) -> tuple[Path, list[str]]:
    """Write the project below `parent`: all of it, or nothing. `config` holds its
    YAML. Returns its directory and its files. Raises OSError, and SettingsError where
    something is in its place."""
    target = parent / name.name
    if target.is_symlink() or target.exists():
        raise _refused(f"{target} is there already; nothing was written")
    texts = _texts(name)
    texts |= {f"config/{file}": text for file, text in config.items()}
    part = Path(tempfile.mkdtemp(prefix=f".{name.name}.", dir=parent))
    try:
        for path, text in texts.items():
            file = part / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        part.chmod(0o755)
        # Fails where somebody was faster, unless what is there is empty.
        part.rename(target)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    return target, sorted(texts)


def _texts(name: ProjectName) -> dict[str, str]:
    filled = {
        "@NAME@": name.name,
        "@PACKAGE@": name.package,
        "@DISTRIBUTION@": DISTRIBUTION,
        "@VERSION@": _version(),
        "@PROJECT_ID@": str(uuid.uuid4()),
        "@SOURCE@": _source(),
    }

    def fill(text: str) -> str:
        for word, value in filled.items():
            text = text.replace(word, value)
        return text

    texts = {
        fill(path): fill((_TEMPLATE / file).read_text(encoding="utf-8"))
        for path, file in _LAYOUT.items()
    }
    texts["pyproject.toml"] = texts["pyproject.toml"].rstrip() + "\n"
    return {**texts, ".env.example": _dotenv_example()}


def _dotenv_example() -> str:
    lines = [
        "# Copy this to .env and fill in what you have; one key is enough to begin.",
        "# A provider without its key is skipped; without any key runs are rehearsals.",
    ]
    for page in KEY_PAGES:
        lines += ["", f"# {page.name}, {page.note}: {page.address}"]
        lines += [f"{page.variable}="]
    return "\n".join(lines) + "\n"


def _version() -> str:
    try:
        return metadata.version(DISTRIBUTION)
    except metadata.PackageNotFoundError:  # a copy of the sources
        return "0.1"


def _source() -> str:
    """Where this installation came from, if that is a directory or a file here: the
    project takes the same, as the index may not have it."""
    try:
        text = metadata.distribution(DISTRIBUTION).read_text("direct_url.json")
        came = json.loads(text or "{}")
        url = str(came["url"])
    except (metadata.PackageNotFoundError, ValueError, KeyError, TypeError):
        return ""
    if not url.startswith("file://"):
        return ""
    path = Path(unquote(urlsplit(url).path))
    if not path.exists():
        return ""
    editable = ", editable = true" if path.is_dir() else ""
    return (
        "\n# As it was installed where this project was made; take it out to have the\n"
        "# published one.\n[tool.uv.sources]\n"
        f"{DISTRIBUTION} = {{ path = {json.dumps(str(path))}{editable} }}\n"
    )


def _refused(message: str) -> SettingsError:
    mistake = Mistake(file="arguments", line=None, key="--project", message=message)
    return SettingsError([mistake])
