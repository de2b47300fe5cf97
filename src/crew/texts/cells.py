"""A text as a cell of CSV: no program takes it for a formula."""

from crew.texts.escapes import escape_control

_FORMULA = (
    *("=", "+", "-", "@", "\t", "\r", "\n"),
    # The wide ones: spreadsheets take them for the same signs.
    *("\uff1d", "\uff0b", "\uff0d", "\uff20"),
)


def safe_cell(text: str) -> str:
    """The text without escapes; one that a spreadsheet would take for a formula begins
    with an apostrophe."""
    shown = escape_control(text)
    return f"'{shown}" if text.startswith(_FORMULA) else shown
