"""The tests that files hold, by name, and the files that decide which tests run
(pure)."""

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import PurePosixPath

_FILES = re.compile(
    r"test_.*\.py|.*_test\.py|tests?\.py|conftest\.py|.*_test\.go"
    r"|.*[._-](?:test|spec)\.[cm]?[jt]sx?|.*_spec\.rb|.*Tests?\.(?:java|kt|php)"
)
_DIRECTORIES = frozenset(("test", "tests", "__tests__", "spec", "specs"))
_STEERING = re.compile(
    r"conftest\.py|pyproject\.toml|setup\.cfg|setup\.py|tox\.(?:ini|toml)"
    r"|\.?pytest\.(?:ini|toml)|noxfile\.py|sitecustomize\.py|usercustomize\.py"
    r"|.*\.pth|package\.json|(?:jest|vitest|vite|babel|playwright)\.config\..*"
    r"|\.mocharc.*|[Mm]akefile|GNUmakefile|\.?[Jj]ustfile|Cargo\.toml|go\.mod"
    r"|.*\.sh|Rakefile|\.rspec|phpunit\.xml.*|pom\.xml|build\.gradle.*"
)
_TEST = re.compile(
    r"^[ \t]*(?:async )?def (test\w*)\("  # Python
    r"|^func ((?:Test|Fuzz|Example)\w*)\("  # Go
    r"|^[ \t]*(?:it|test)(?:\.(?:each|concurrent|only)\b[^\n(]*(?:\([^\n]*?\))?)?"
    r"\(\s*(?P<quote>['\"`])(.+?)(?P=quote)"  # JavaScript
    r"|#\[(?:\w+::)?test\][^{]*?\bfn (\w+)",  # Rust
    re.MULTILINE,
)


def decides(path: str) -> bool:
    """Whether a file holds tests, or decides which run."""
    file = PurePosixPath(path)
    return bool(
        _FILES.fullmatch(file.name)
        or _STEERING.fullmatch(file.name)
        or _DIRECTORIES.intersection(file.parts[:-1])
    )


def names(text: str) -> Counter[str]:
    """The tests in a source text."""
    return Counter(
        next(filter(None, (match[1], match[2], match[4], match[5])))
        for match in _TEST.finditer(text)
    )


def removed(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """The tests, as `path::name`, that the files held `before` and do not hold `now`.
    One that moved to another of them is there. Both are texts by path."""
    left = Counter[str]()
    for text in now.values():
        left += names(text)
    gone: list[str] = []
    for path, text in before.items():
        for name, number in names(text).items():
            missing = max(0, number - left[name])
            left[name] = max(0, left[name] - number)
            if missing:
                gone.append(f"{path}::{name}")
    return gone
