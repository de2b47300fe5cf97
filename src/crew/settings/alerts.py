"""Where alerts go, as values."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertSettings:
    """`webhook` is an address that takes JSON by POST, and a secret; `command` is a
    program with its arguments. None and empty: alerts are shown here alone."""

    webhook: str | None = field(default=None, repr=False)
    command: tuple[str, ...] = ()
