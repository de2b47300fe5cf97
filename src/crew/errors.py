"""Every error of ours, in one tree.

CrewError                    anything this package raises on purpose
├── SettingsError            the YAML or the arguments are wrong (exit 2)
├── StoreUnavailable         the quota store cannot be read or written
├── WorkspaceError           a repository cannot be made ready, or a path leaves it
├── RunFailed                the crew stopped without a result (exit 1)
│   ├── TaskFailed           a task's result did not pass its gates
│   └── Interrupted          somebody stopped the run (exit 129, 130, 143)
├── QuotaExceeded            every deployment is closed; says which opens when (exit 75)
└── ProviderError            one attempt at one deployment failed
    ├── RateLimited          429: a limit of the provider was hit
    ├── OutOfMoney           402, or a spend cap: waiting a moment does not help
    ├── BadKey               401, 403: the key is wrong or may not do this
    ├── Blocked              a firewall, the country or the account refuses every call
    ├── ModelGone            404: the model is unknown, retired, or does not fit there
    ├── Overloaded           5xx, 529: the provider has no room or is broken
    ├── Unreachable          a proxy, a name, a certificate: nothing was sent
    ├── Unsendable           a key or a package is missing here: nothing was sent
    ├── TimedOut             no answer in time
    ├── BadAnswer            malformed, empty, broken off, an error in a 200
    ├── CutOff               the answer is longer than this deployment may write
    ├── Unsupported          400, 404: not this conversation there; others may take it
    └── BadRequest           400, 413, 422: the request itself is at fault
        ├── ContextTooLong   the conversation does not fit the window
        └── ContentRefused   the provider's policy refuses the content
"""

import errno
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from crew.quota.reported import ReportedLimit, ReportedUsage


def file_problem(error: OSError) -> str:
    """Which file or directory does not work, why, and what to do."""
    where = "" if error.filename is None else f"{error.filename}: "
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT | errno.EFBIG:
            advice = ": make room on the disk"
        case errno.EACCES | errno.EPERM | errno.EROFS:
            advice = ": it must be writable"
        case _:
            advice = ""
    return f"{where}{error.strerror or error}{advice}"


class CrewError(Exception):
    """Anything this package raises on purpose."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """One thing that is wrong in a file or an argument. Lines count from 1."""

    file: str
    line: int | None
    key: str
    message: str

    def __str__(self) -> str:
        where = self.file if self.line is None else f"{self.file}:{self.line}"
        return ": ".join(part for part in (where, self.key, self.message) if part)


class SettingsError(CrewError):
    """The settings or the arguments are wrong. Carries every mistake found."""

    def __init__(self, mistakes: Sequence[Mistake]) -> None:
        self.mistakes = tuple(mistakes)
        super().__init__("\n".join(str(mistake) for mistake in self.mistakes))


class StoreUnavailable(CrewError):
    """The quota store cannot be read or written."""


class WorkspaceError(CrewError):
    """A repository cannot be made ready, or a path leads out of the workspace."""


class RunFailed(CrewError):
    """The crew stopped without a result."""


class TaskFailed(RunFailed):
    """A task is not done: a gate refused its result, or its role went round in a
    circle. `task` is its name where nobody has recorded it."""

    def __init__(self, message: str, *, task: str = "") -> None:
        super().__init__(message)
        self.task = task


class Interrupted(RunFailed):
    """Somebody stopped the run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed:
    """Why one deployment cannot be used, and when it opens again.

    `opens_at` is in seconds since the epoch; None means that waiting does not help.
    """

    deployment: str
    limit: str
    opens_at: float | None

    def __str__(self) -> str:
        if self.opens_at is None:
            return f"{self.deployment}: {self.limit}"
        opens = datetime.fromtimestamp(self.opens_at, UTC)
        return f"{self.deployment}: {self.limit}; opens {opens:%Y-%m-%d %H:%M:%S} UTC"


class QuotaExceeded(CrewError):
    """Every deployment that could serve a call is closed."""

    def __init__(self, closed: Sequence[Closed], *, role: str = "") -> None:
        self.closed = tuple(closed)
        self.role = role
        who = f" for {role}" if role else ""
        lines = "".join(f"\n  {entry}" for entry in _grouped(self.closed))
        # CrewAI runs a call again when its error says one of a list of phrases
        # about limits, so this text keeps clear of them.
        super().__init__(f"every deployment{who} is closed:{lines}")

    @property
    def opens_at(self) -> float | None:
        """When the first deployment opens, in seconds since the epoch."""
        times = (entry.opens_at for entry in self.closed)
        return min((one for one in times if one is not None), default=None)


def _grouped(closed: Sequence[Closed]) -> list[Closed]:
    """The entries, with all deployments that one thing closes in one of them."""
    names: dict[tuple[str, float | None], dict[str, None]] = {}
    for entry in closed:
        names.setdefault((entry.limit, entry.opens_at), {})[entry.deployment] = None
    return [
        Closed(deployment=", ".join(found), limit=limit, opens_at=opens_at)
        for (limit, opens_at), found in names.items()
    ]


class ProviderError(CrewError):
    """One attempt at one deployment failed.

    `status` is the HTTP status, or None where there was none. `retry_after` is the
    seconds after which the same request may well pass, None where nobody knows.
    `never`: the request alone is larger than a limit of this deployment. `reported` is
    what the provider reported of its limits, `charged` what a useless answer took.

    The provider's own text is not kept: it may quote the prompt or a key. Only of a
    failure that no rule knows `raw` keeps the codes and the beginning of the message,
    at most 500 characters, with whatever looks like a key or a quotation masked.
    `reason` is our own sentence about it, if there is one.
    """

    refused: ClassVar[bool] = False
    """Whether this class means that the request was turned away before any work."""
    sent: bool = True
    """Whether the request may have reached the provider."""

    def __init__(
        self,
        deployment: str,
        reason: str = "",
        *,
        status: int | None = None,
        retry_after: float | None = None,
        charged: "ReportedUsage | None" = None,
        never: bool = False,
        reported: "tuple[ReportedLimit, ...]" = (),
        raw: str = "",
    ) -> None:
        self.deployment = deployment
        self.status = status
        self.retry_after = retry_after
        self.charged = charged
        self.never = never
        self.reported = reported
        self.raw = raw
        self.reason = reason
        code = "" if status is None else f" ({status})"
        super().__init__(f"{deployment}: {reason or type(self).__name__}{code}")

    def mask(self, masked: Callable[[str], str]) -> None:
        """Mask what is kept of the provider's words: it may quote a key."""
        self.raw, self.reason = masked(self.raw), masked(self.reason)
        self.args = tuple(masked(str(text)) for text in self.args)

    @property
    def costs_nothing(self) -> bool:
        """Whether the provider took neither tokens nor money for the attempt."""
        sent_back = self.refused or not self.sent or self.status in (429, 498)
        return sent_back and self.charged is None


class RateLimited(ProviderError):
    """A limit of the provider was hit."""

    refused = True


class OutOfMoney(ProviderError):
    """The account has no credit, or its spend cap is reached."""

    refused = True


class BadKey(ProviderError):
    """The key is wrong, or may not do this."""

    refused = True


class Blocked(ProviderError):
    """Every such call is refused, and the key is good: a firewall, the country, the
    account or its settings. `reason` says what to do.

    `reach` is how far that goes: "provider", "class" for all models of the
    deployment's class, or "deployment".
    """

    refused = True
    reach: str = "provider"


class ModelGone(ProviderError):
    """The model is unknown, retired, not installed, or larger than the machine."""

    refused = True


class Overloaded(ProviderError):
    """The provider has no room or is broken."""


class Unreachable(ProviderError):
    """The provider could not be reached; nothing was sent.

    `way` names what broke where others depend on it too: a proxy, the network. Empty:
    it concerns this provider alone. `lasts`: until somebody mends it.
    """

    refused = True
    sent = False
    way: str = ""
    lasts: bool = False


class Unsendable(ProviderError):
    """This machine cannot make the call: a key or a package is missing. Nothing was
    sent, and nothing passes until somebody mends it."""

    sent = False


class TimedOut(ProviderError):
    """The provider did not answer in time."""


class BadAnswer(ProviderError):
    """The answer is malformed, empty, an error in disguise, or broke off."""


class CutOff(ProviderError):
    """The answer was cut off by the output limit. Others may have more room."""


class Unsupported(ProviderError):
    """The deployment cannot take this conversation: its images, its tools, or what
    another model left in it. Others may."""

    refused = True


class BadRequest(ProviderError):
    """The request itself is at fault. Two providers that say so end the run."""

    refused = True


class ContextTooLong(BadRequest):
    """The conversation does not fit the window.

    `window` is how many tokens would fit, as far as anybody knows.
    """

    window: int | None = None


class ContentRefused(BadRequest):
    """The provider's policy refuses the content."""
