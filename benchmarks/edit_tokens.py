"""Output tokens of the same change by `write_file` and by `edit_file`.

Ten commits of this repository's own history: for each file that a commit changed, the
arguments of the call that writes it whole, and of the call that edits it. The edits
are derived from the difference of the two versions: the lines that change, with as
many lines before and after them as make the place clear.
"""

import importlib.util
import json
import os
import subprocess
from collections.abc import Callable
from difflib import SequenceMatcher
from pathlib import Path

from crew.workspace.edits import Edit, apply
from crew.workspace.text import lines_of

LAST = "236dad9"
COMMITS = 10
ENDINGS = (".py", ".md", ".yaml", ".toml")
ROOT = Path(__file__).parents[1]


def git(*arguments: str) -> str:
    return subprocess.run(
        ["git", *arguments], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout


def commits() -> list[str]:
    """The newest ones that change a file of `src` which was there before."""
    found = git(
        "log", LAST, "--no-merges", "--diff-filter=M", "--format=%h",
        f"--max-count={COMMITS}", "--", "src",
    )  # fmt: skip
    return found.split()


def changed(commit: str) -> list[str]:
    names = git("diff", "--name-only", "--diff-filter=M", f"{commit}^", commit)
    return [name for name in names.splitlines() if name.endswith(ENDINGS)]


def edits(before: str, after: str) -> list[Edit]:
    """The smallest blocks of whole lines that fit in one place each."""
    old, new = lines_of(before), lines_of(after)
    matcher = SequenceMatcher(None, old, new, autojunk=False)
    blocks = [
        (i, j, k, m) for tag, i, j, k, m in matcher.get_opcodes() if tag != "equal"
    ]
    wide: list[tuple[int, int, int, int]] = []
    for first, last, to, end in blocks:
        up = down = 0
        while before.count("".join(old[first - up : last + down])) != 1:
            # A line above, then one below, as far as there are any.
            if (up <= down and first - up > 0) or last + down >= len(old):
                up += 1
            else:
                down += 1
        block = (first - up, last + down, to - up, end + down)
        while wide and wide[-1][1] > block[0]:
            earlier = wide.pop()
            block = (earlier[0], max(earlier[1], block[1]), earlier[2],
                     max(earlier[3], block[3]))  # fmt: skip
        wide.append(block)
    made = [
        Edit(search="".join(old[i:j]), replace="".join(new[k:m])) for i, j, k, m in wide
    ]
    assert apply(before, made).text == after
    return made


def counter() -> tuple[str, Callable[[str], int]]:
    """A tokenizer whose data litellm brings along; else four characters a token."""
    spec = importlib.util.find_spec("litellm")
    if spec is not None and spec.submodule_search_locations:
        place = Path(spec.submodule_search_locations[0], "litellm_core_utils")
        os.environ["TIKTOKEN_CACHE_DIR"] = str(place / "tokenizers")
        try:
            import tiktoken

            encoding = tiktoken.get_encoding("cl100k_base")
        except (ImportError, OSError):  # no data, and no network to fetch them from
            pass
        else:
            return "tiktoken, cl100k_base", lambda text: len(encoding.encode(text))
    return "characters / 4", lambda text: len(text) // 4


def main() -> None:
    name, count = counter()
    print(f"Tokens by {name}\n")
    print("| Commit | Files | Edits | write_file | edit_file | Ratio |")
    print("|---|---|---|---|---|---|")
    total = [0, 0]
    for commit in commits():
        whole = partly = number = 0
        names = changed(commit)
        for path in names:
            before, after = (
                git("show", f"{commit}^:{path}"),
                git("show", f"{commit}:{path}"),
            )
            made = edits(before, after)
            number += len(made)
            given = [{"search": one.search, "replace": one.replace} for one in made]
            whole += count(json.dumps({"path": path, "content": after}))
            partly += count(json.dumps({"path": path, "edits": given}))
        total[0] += whole
        total[1] += partly
        print(
            f"| {commit} | {len(names)} | {number} | {whole:,} | {partly:,} "
            f"| {whole / partly:.1f} |"
        )
    print(f"| all | | | {total[0]:,} | {total[1]:,} | {total[0] / total[1]:.1f} |")


if __name__ == "__main__":
    main()
