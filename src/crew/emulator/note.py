"""The note that a rehearsal writes: a file, and beside the user's checks its test."""

import hashlib
import json
import re
from collections.abc import Mapping
from contextlib import suppress

from crew.emulator.conversation import Conversation

NOTE = '''"""Written by the rehearsal: proof that files can be written."""


def rehearsed() -> bool:
    """Say that a rehearsal came by."""
    return True
'''
# Beside the checks of the user the note has a test. It is right at the third attempt,
# or once another model failed.
_TEST = """

class RehearsedTest(unittest.TestCase):
    def test_a_rehearsal_came_by(self) -> None:
        self.assertTrue(rehearsed())
"""
_RIGHT_AT = 2
_REFUSED = "The last attempt at this task was not accepted"
_REFUSED_BEFORE = "Earlier attempts, which were not accepted"
_ANOTHER_FAILED = "Another model tried this before."
_EDIT = {
    "search": '    """Say that a rehearsal came by."""',
    "replace": '    """Say that a rehearsal came by, and edited its note."""',
}
SUFFIX = r"\.(?:png|jpe?g|webp|gif)\b"
IMAGE = re.compile(r"[^\s\"'`<>()\[\]{},;|]+" + SUFFIX, re.IGNORECASE)


def listed(talk: Conversation) -> list[str]:
    """The paths that `list_files` showed, one a line or as a JSON list."""
    results = talk.texts("tool")
    if "list_files" not in talk.called() or not results:
        return []
    shown = results[talk.called().index("list_files")]
    with suppress(ValueError):
        found = json.loads(shown)
        if isinstance(found, list):
            return [str(path).removeprefix("./") for path in found]
    lines = (line.strip().removeprefix("- ") for line in shown.splitlines())
    return [line.removeprefix("./") for line in lines if line]


def write_file(talk: Conversation) -> Mapping[str, object] | None:
    """The arguments of a write."""
    return {"path": _note_path(talk), "content": _note(talk)}


def edit_file(talk: Conversation) -> Mapping[str, object] | None:
    """The note that was just written is edited; without it there is nothing to edit
    that a rehearsal may touch."""
    if "write_file" not in talk.called():
        return None
    return {"path": _note_path(talk), "edits": [_EDIT]}


def _note_path(talk: Conversation) -> str:
    tops = (path.partition("/") for path in listed(talk) if not IMAGE.search(path))
    place = next((f"{top}/" for top, slash, _ in tops if slash and top), "")
    return f"{place}{'test_' if _has_checks(talk) else ''}rehearsal_note.py"


def _note(talk: Conversation) -> str:
    """Another content for each task: one that changes no file is not done."""
    asked = "\n".join([talk.system, *talk.texts("user")[:1]])
    digest = hashlib.sha256(asked.encode(errors="replace")).hexdigest()
    note = f'{NOTE}\n\nTASK = "{digest[:12]}"\n'
    if not _has_checks(talk):
        return note
    if _refusals(talk) < _RIGHT_AT:
        note = note.replace("return True", "return False")
    # The imports of a module come after its docstring.
    note = note.replace('"""\n', '"""\n\nimport unittest\n', 1)
    return f"{note}{_TEST}"


def _has_checks(talk: Conversation) -> bool:
    return any(tool.name == "run_checks" for tool in talk.tools)


def _refusals(talk: Conversation) -> int:
    """How many attempts at this task were refused before, as far as it was told."""
    told = "\n".join(talk.texts("user"))
    if _ANOTHER_FAILED in told:
        return _RIGHT_AT
    return (_REFUSED in told) + (_REFUSED_BEFORE in told)
