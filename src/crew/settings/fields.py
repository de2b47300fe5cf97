"""What one value of the YAML files may be: durations, limits, prices, names."""

import math
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    InstanceOf,
    StringConstraints,
)

from crew.quota.limit_syntax import FORM, parse_limit
from crew.quota.limits import Limit, WindowKind
from crew.settings.parameters import plain_value
from crew.settings.strategies import FREE_QUOTA, STRATEGIES, Reserve, reserve
from crew.settings.styles import style_name
from crew.settings.values import COMPLEXITIES, KINDS
from crew.settings.wording import shown, unknown

_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*([smh])")
_SECONDS = {"s": 1, "m": 60, "h": 3600}
_LONGEST = 10_000_000_000
"""Seconds: 300 years, after which every date can still be written."""
_MOST_DOLLARS = 1_000_000
_MOST = 10**12
"""Tokens, calls and the like; every store and every JSON reader counts so far."""


def _duration(value: object) -> float:
    seconds: object = value
    if isinstance(value, str) and (match := _DURATION.fullmatch(value.strip())):
        seconds = float(match[1]) * _SECONDS[match[2]]
    if (
        isinstance(seconds, int | float)
        and not isinstance(seconds, bool)
        and 0 <= seconds <= _LONGEST
    ):
        return float(seconds)
    raise ValueError(
        f"found {shown(value)}; allowed: seconds as a number, or 30s, 5m, 2h"
    )


def _positive(seconds: float) -> float:
    if not 0 < seconds < math.inf:
        raise ValueError("must be more than 0 seconds")
    return seconds


def _limit(value: object) -> Limit:
    if not isinstance(value, str):
        raise ValueError(f"found {shown(value)}; allowed: {FORM}")
    limit = parse_limit(value)
    if limit.amount == 0:
        raise ValueError(
            f"{value!r} lets nothing through; "
            "leave the deployment out of its chains instead"
        )
    return limit


def _not_of_a_run(limit: Limit) -> Limit:
    if limit.kind is WindowKind.RUN:
        raise ValueError("a limit per run belongs under `budgets` or `quotas.run`")
    return limit


def _price(value: object) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"found {shown(value)}; allowed: US dollars as a number")
    if not 0 <= value < math.inf:
        raise ValueError(f"found {value}; allowed: 0 or more")
    if value > _MOST_DOLLARS:
        raise ValueError(f"found {value}; allowed: at most {_MOST_DOLLARS}")
    return Decimal(str(value))


@dataclass(frozen=True, slots=True)
class Condition:
    """US dollars that lead to a plan: `spent` there, or `bought` as credit."""

    usd: Decimal
    how: str


_DIGITS = 15
_CONDITION = re.compile(r"(\d+(?:\.\d+)?) usd (spent|bought)")


def plan_condition(value: object) -> Condition:
    """The condition of a plan. Raises ValueError."""
    match = _CONDITION.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None or len(match[1]) > _DIGITS:
        raise ValueError(
            f"found {shown(value)}; allowed: AMOUNT usd spent, or AMOUNT usd bought"
        )
    return Condition(usd=Decimal(match[1]), how=match[2])


def _scoped(value: object) -> object:
    """The limits of a scope: of each of its members (under ""), or by name."""
    return value if isinstance(value, dict) else {"": listed(value)}


def listed(value: object) -> object:
    """A text alone as a list of one."""
    return [value] if isinstance(value, str) else value


def listed_budgets(value: object) -> object:
    """Budgets as a list of mappings: one may stand alone, and be its limit alone."""
    found = [value] if isinstance(value, str | dict) else value
    if not isinstance(found, list):
        return found
    return [one if isinstance(one, dict) else {"limit": one} for one in found]


_SHARE = re.compile(r"(\d{1,3}(?:\.\d{1,3})?) ?%")


def _share(value: object) -> Decimal:
    match = _SHARE.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None or not 0 < Decimal(match[1]) <= 100:
        raise ValueError(f"found {shown(value)}; allowed: a share such as 80 %")
    return Decimal(match[1]) / 100


def _address(value: str) -> str:
    fits = login = False
    try:
        parts = urlsplit(value)
        login = "@" in parts.netloc
        named = bool(parts.hostname) and parts.port != 0
        fits = named and parts.scheme in ("http", "https")
    except ValueError:  # what it says quotes the address
        login = login or "@" in value
    if login:  # it would be in every message that names the address
        raise ValueError(
            "holds a login; allowed: http://HOST[:PORT][/PATH] or https://..., "
            "and the key as `api_key` or in `headers`"
        )
    if not fits or len(value.split()) > 1:
        raise ValueError(
            "is no address; allowed: http://HOST[:PORT][/PATH] or https://..."
        )
    return value


def _plan_limits(value: object) -> object:
    """A plan's limits: of the whole provider (under ""), or by class."""
    return value if isinstance(value, dict) else {"": listed(value)}


_PROGRAM = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*")


def _program(name: str) -> str:
    if _PROGRAM.fullmatch(name) is None:
        raise ValueError(f"{name!r} is no program; allowed: a name such as node")
    return name


_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_HEADER_VALUE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?")


def _header_name(name: str) -> str:
    if _HEADER_NAME.fullmatch(name) is None:
        raise ValueError("no name of an HTTP header: letters, digits and hyphens only")
    return name


def _header_value(value: str) -> str:
    if _HEADER_VALUE.fullmatch(value) is None:
        raise ValueError("does not fit into a header; allowed: one line of ASCII")
    return value


def _input_text(value: object) -> str:
    """An input as texts show it: its scalars come as they are written."""
    parts = value if isinstance(value, list) else [value]
    texts = [part for part in parts if isinstance(part, str)]
    odd = [part for part in parts if not isinstance(part, str)]
    if odd or not texts:
        inside = " in the list" if odd and isinstance(value, list) else ""
        found = shown(odd[0]) if odd else "an empty list"
        raise ValueError(
            f"found {found}{inside}, expected a text, a number, true or false, "
            "a date, or a list of these"
        )
    return ", ".join(texts)


def one_of(name: str, allowed: tuple[str, ...]) -> AfterValidator:
    """A value that must be one of these; `name` says of which kind it is."""

    def check(value: str) -> str:
        if value not in allowed:
            raise ValueError(unknown(name, value, allowed))
        return value

    return AfterValidator(check)


Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
InputText = Annotated[str, BeforeValidator(_input_text)]
Address = Annotated[Text, AfterValidator(_address)]
Duration = Annotated[float, BeforeValidator(_duration)]
Timeout = Annotated[Duration, AfterValidator(_positive)]
AnyLimit = Annotated[InstanceOf[Limit], BeforeValidator(_limit)]
AnyLimits = Annotated[list[AnyLimit], BeforeValidator(listed)]
TimedLimit = Annotated[AnyLimit, AfterValidator(_not_of_a_run)]
Limits = Annotated[list[TimedLimit], BeforeValidator(listed)]
PlanLimits = Annotated[dict[str, Limits], BeforeValidator(_plan_limits)]
ScopedLimits = Annotated[dict[str, AnyLimits], BeforeValidator(_scoped)]
Share = Annotated[InstanceOf[Decimal], BeforeValidator(_share)]
Dollars = Annotated[InstanceOf[Decimal], BeforeValidator(_price)]
Kinds = Annotated[Text, one_of("kind", KINDS)]
Complexity = Annotated[Text, one_of("complexity", COMPLEXITIES)]
StyleName = Annotated[Text, AfterValidator(style_name)]
HeaderName = Annotated[str, AfterValidator(_header_name)]
HeaderValue = Annotated[Text, AfterValidator(_header_value)]
Parameter = Annotated[object, AfterValidator(plain_value)]
Program = Annotated[Text, AfterValidator(_program)]
Chain = Annotated[list[Text], Field(min_length=1)]
Strategy = Annotated[Text, one_of("strategy", STRATEGIES)]
FreeQuota = Annotated[Text, one_of("policy", FREE_QUOTA)]
Kept = Annotated[InstanceOf[Reserve], BeforeValidator(reserve)]
Positive = Annotated[int, Field(ge=1, le=_MOST)]
