"""What a command sees of the user's own toolchains: pyenv, nvm, cargo and the like live
in the home directory, which is hidden.

Only their programs and libraries: never a directory that may hold a login, such as
the whole of `.cargo` or `.local/share`.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from crew.sandbox.job import PRIVATE, Place
from crew.sandbox.system import is_system

_LENT = (
    ".asdf", ".bun/bin", ".cargo/bin", ".cargo/git", ".cargo/registry", ".deno/bin",
    ".cache/node/corepack", ".cache/pypoetry/virtualenvs", ".fnm/node-versions",
    ".local/lib", ".local/pipx/venvs", ".local/share/fnm",
    ".local/share/mise/installs", ".local/share/mise/shims", ".local/share/pipx/venvs",
    ".local/share/pnpm", ".local/share/pypoetry/venv",
    ".local/share/virtualenvs", ".local/share/uv/python", ".local/share/uv/tools",
    ".nodenv/shims", ".nodenv/versions", ".nvm/versions", ".pyenv", ".rbenv",
    ".rustup/toolchains", ".rustup/settings.toml", ".sdkman/candidates", ".volta/bin",
    ".volta/tools", "go/bin", "go/pkg/mod", "sdk",
)  # fmt: skip
_BESIDE = ("lib", "lib64", "libexec", "share", "include")
"""What a program in `bin` needs of the directories beside it."""
_BY_VARIABLE = {
    "CARGO_HOME": (".cargo", ("bin", "git", "registry")),
    "RUSTUP_HOME": (".rustup", ("toolchains", "settings.toml")),
    "PYENV_ROOT": (".pyenv", (".",)),
    "GOMODCACHE": ("go/pkg/mod", (".",)),
    "COREPACK_HOME": (".cache/node/corepack", (".",)),
    "POETRY_VIRTUALENVS_PATH": (".cache/pypoetry/virtualenvs", (".",)),
    "WORKON_HOME": (".local/share/virtualenvs", (".",)),
}
"""A variable by which a toolchain is found once HOME is another; where it is else."""


@dataclass(frozen=True, slots=True)
class Toolchains:
    """The directories that are lent, read-only, and the variables that name them."""

    places: tuple[Place, ...]
    search: tuple[str, ...]
    variables: Mapping[str, str]


def toolchains(environ: Mapping[str, str], home: Path) -> Toolchains:
    """What there is on this machine. `environ` gives PATH and where toolchains are."""
    variables: dict[str, str] = {}
    found = [home / name for name in _LENT]
    for name, (usual, parts) in _BY_VARIABLE.items():
        root = Path(environ.get(name) or home / usual)
        if root.is_absolute() and root.is_dir():
            variables[name] = str(root)
            found += [root / part for part in parts]
    search = [Path(entry) for entry in environ.get("PATH", "").split(":")]
    search = [path for path in search if path.is_absolute() and path.is_dir()]
    for entry in search:
        found += _of_entry(entry, home)
    places = tuple(lent(found))
    return Toolchains(places, tuple(map(str, search)), variables)


def interpreter(environment: Path, home: Path) -> list[Path]:
    """The directories of the Python that a virtual environment was made from. Never
    all that is beside its `bin`: a repository may hold an environment whose links lead
    where they like."""
    found: list[Path] = []
    program = environment / "bin" / "python"
    for _ in range(8):  # a link to a link
        if not program.is_symlink():
            break
        program = Path(os.path.normpath(program.parent / program.readlink()))
        if program.parent.name == "bin" and not program.is_relative_to(environment):
            found += _of_entry(program.parent, home)
    return found


def lent(paths: Iterable[Path]) -> Iterator[Place]:
    """Places for what is there and not visible anyway; each once."""
    seen: list[Path] = []
    for path in paths:
        inside = Path(os.path.normpath(path))
        covered = any(inside.is_relative_to(one) for one in seen)
        if inside.exists() and not covered and not is_system(inside):
            seen.append(inside)
            yield Place(outside=inside.resolve(), inside=inside)


def _of_entry(entry: Path, home: Path) -> Iterator[Path]:
    """What a directory of PATH needs. Nothing of the private /tmp's name is lent."""
    if entry in (home, Path("/"), PRIVATE) or home.is_relative_to(entry):
        return
    yield entry
    top = entry.parent
    if entry.name in ("bin", "sbin") and top not in (home, home / ".local"):
        yield from (top / name for name in _BESIDE)
