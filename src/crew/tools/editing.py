"""The tool that changes places of a file, as coding agents do: search and replace."""

import json
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from pydantic import BaseModel, Field, field_validator

from crew.tools.place import meant, said
from crew.tools.workspace_tool import WorkspaceTool
from crew.workspace.edits import Edit


class _Edit(BaseModel):
    search: str = Field(
        description="Lines of the file as they are now, enough to fit in one place."
    )
    replace: str = Field(description="What takes their place.")


class _Edits(BaseModel):
    path: str = Field(description="A file, relative to the workspace.")
    edits: list[_Edit] = Field(
        description="The changes. All are made, or none; each is searched for in the "
        "file as it was before the call."
    )

    @field_validator("edits", mode="before")
    @classmethod
    def _listed(cls, given: Any) -> Any:
        """Small models write the list as a text, or give one edit without a list."""
        if isinstance(given, str):
            with suppress(ValueError, RecursionError):
                given = json.loads(given)
        return [given] if isinstance(given, dict) else given


class EditFile(WorkspaceTool):
    """Change places of a text file; what fits in no place, or in two, is refused."""

    name: str = "edit_file"
    description: str = (
        "Change a text file by search and replace. Give only the lines that change, "
        "with as many lines around them as make the place clear."
    )
    args_schema: type[BaseModel] = _Edits

    def answer(self, path: str, edits: Sequence[Any]) -> str:
        place = meant(self._workspace, path)
        wanted = [_Edit.model_validate(one, from_attributes=True) for one in edits]
        edited = self._workspace.edit(
            place, [Edit(search=one.search, replace=one.replace) for one in wanted]
        )
        where = ", ".join(str(line) for line in edited.lines)
        lines = "lines" if len(edited.lines) > 1 else "line"
        return f"{said(path, place)}{place} is changed at {lines} {where}"
