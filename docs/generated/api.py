"""What `crew` exports, with its signature and its docstring."""

import inspect
import re
from collections.abc import Callable

import crew
from crew.errors import Closed
from crew.guard.lease import Lease
from crew.runs.ending import Outcome
from crew.runs.tiers import Tiers

_SHOWN: tuple[tuple[str, object, tuple[str, ...]], ...] = (
    ("kickoff", crew.kickoff, ()),
    ("kickoff_async", crew.kickoff_async, ()),
    ("Outcome", Outcome, ()),
    ("build_crew", crew.build_crew, ()),
    ("load_settings", crew.load_settings, ()),
    ("load_tiers", crew.load_tiers, ()),
    ("tiers", crew.tiers, ()),
    ("Tiers", Tiers, ("llm", "close")),
    ("QuotaGuard", crew.QuotaGuard, ("open", "lease", "close")),
    ("Lease", Lease, ("settle",)),
    ("QuotaExceeded", crew.QuotaExceeded, ()),
    ("Closed", Closed, ()),
    ("SettingsError", crew.SettingsError, ()),
)


def api() -> str:
    """A section for each export, and for what they return."""
    missing = set(crew.__all__) - {name for name, *_ in _SHOWN}
    if missing:
        raise ValueError(f"docs/generated/api.py does not show {sorted(missing)}")
    return "\n\n".join(_section(*entry) for entry in _SHOWN)


def _section(name: str, shown: object, methods: tuple[str, ...]) -> str:
    lines = [f"### {name}", ""]
    if inspect.isclass(shown):
        kind = "class" if name in crew.__all__ else "class, returned by the above"
        if issubclass(shown, Exception):
            kind = "error"
        lines += [f"_{kind}_", ""] if kind != "class" else []
        fields = inspect.get_annotations(shown)
        public = [
            f"`{field}: {_words(kind)}`"
            for field, kind in fields.items()
            if not field.startswith("_")
        ]
        lines += [_text(shown), ""]
        lines += [f"Fields: {', '.join(public)}.", ""] if public else []
        for method in methods:
            function = getattr(shown, method)
            lines += [_code(f"{name}.{method}", function), "", _text(function), ""]
    else:
        assert callable(shown)
        lines += [_code(name, shown), "", _text(shown), ""]
    return "\n".join(lines).rstrip()


def _code(name: str, function: Callable[..., object]) -> str:
    signature = inspect.signature(function)
    told: list[str] = []
    for one in signature.parameters.values():
        if one.name != "self":
            if one.kind is one.KEYWORD_ONLY and "*" not in told:
                told.append("*")
            told.append(_parameter(one))
    lines = "".join(f"    {one},\n" for one in told)
    given = signature.return_annotation
    gives = "" if given is inspect.Signature.empty else f" -> {_words(given)}"
    head = "await " if inspect.iscoroutinefunction(function) else ""
    inside = f"\n{lines}" if told else ""
    return f"```\n{head}{name}({inside}){gives}\n```"


def _parameter(one: inspect.Parameter) -> str:
    stars = {one.VAR_POSITIONAL: "*", one.VAR_KEYWORD: "**"}.get(one.kind, "")
    text = f"{stars}{one.name}: {_words(one.annotation)}"
    if one.default is one.empty:
        return text
    return f"{text} = {'...' if callable(one.default) else repr(one.default)}"


def _words(kind: object) -> str:
    """An annotation, without the modules of its names."""
    text = kind if isinstance(kind, str) else inspect.formatannotation(kind)
    return re.sub(r"\b(?:\w+\.)+(?=\w)", "", re.sub("[\"']", "", text))


def _text(shown: object) -> str:
    """The docstring, one line for each sentence."""
    paragraphs = (inspect.getdoc(shown) or "").split("\n\n")
    joined = [" ".join(one.split()) for one in paragraphs]
    return "\n\n".join(re.sub(r"(?<=[.?!]) (?=[A-Z`])", "\n", one) for one in joined)
