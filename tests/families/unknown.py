"""Answers of a provider that nobody knows: what the status alone means, each form of
retry-after, and headers without a limit."""

from crew.errors import (
    BadAnswer,
    BadKey,
    BadRequest,
    ModelGone,
    OutOfMoney,
    Overloaded,
    ProviderError,
    RateLimited,
    TimedOut,
    Unreachable,
)
from families.captured import NOW, HeaderCase

BY_STATUS: list[tuple[int, type[ProviderError]]] = [
    (400, BadRequest),
    (401, BadKey),
    (402, OutOfMoney),
    (403, BadKey),
    (404, ModelGone),
    (407, Unreachable),
    (408, TimedOut),
    (409, BadRequest),
    (413, BadRequest),
    (418, BadRequest),
    (422, BadRequest),
    (429, RateLimited),
    (500, Overloaded),
    (502, Overloaded),
    (503, Overloaded),
    (504, Overloaded),
    (529, Overloaded),
    (200, BadAnswer),
    (302, BadAnswer),
    (0, BadAnswer),
    (-1, BadAnswer),
]

RETRY_AFTER = [
    ("7", 7.0),
    ("0", 0.0),
    ("0.5", 0.5),
    (" 12 ", 12.0),
    ("-3", 0.0),
    ("6m0.5s", 360.5),
    ("1h2m3s", 3_723.0),
    ("84ms", 0.084),
    ("250us", 0.00025),
    ("Fri, 10 Apr 2026 12:00:30 GMT", 30.0),
    ("Friday, 10-Apr-26 12:00:30 GMT", 30.0),
    ("Fri Apr 10 12:00:30 2026", 30.0),
    ("Fri, 10 Apr 2026 11:00:00 GMT", 0.0),
    ("2026-04-10T12:01:00Z", 60.0),
    (str(int(NOW) + 9), 9.0),
    (f"{int(NOW * 1_000) + 9_000}", 9.0),
    ("nan", None),
    ("inf", None),
    ("-inf", None),
    ("1e300", None),
    (str(33 * 86_400), None),
    ("999999999h", None),
    ("Fri, 10 Apr 2099 12:00:00 GMT", None),
    ("Fri, 99 Foo 9999 99:99:99 GMT", None),
    ("soon", None),
    ("1x", None),
    ("1h and more", None),
    ("", None),
    ("5" * 5_000, None),
    ("1m" * 5_000, None),
]

HEADERS: tuple[HeaderCase, ...] = (
    HeaderCase("nothing", "", {"content-type": "application/json"}, ()),
)
