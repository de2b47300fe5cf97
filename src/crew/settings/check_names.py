"""Every name in the YAML files is one that a file, a branch or a counter can have."""

from crew.settings.document import Document, KeyPath
from crew.settings.files import Files
from crew.settings.names import flaw, twins


def check_names(files: Files) -> None:
    """Note in the files each name that is none, or that another one shadows."""
    _check(files.agents, ())
    _check(files.tasks, ())
    _check(files.providers, ("providers",))
    _check(files.providers, ("deployments",), loose=True)
    _check(files.tiers, ("tiers",), loose=True)
    for provider in files.providers.names("providers") or []:
        for section in ("plans", "classes"):
            _check(files.providers, ("providers", provider, section), loose=True)


def _check(document: Document, section: KeyPath, *, loose: bool = False) -> None:
    names = document.names(*map(str, section)) or []
    # A model's id may differ from another in nothing but case.
    shadowed = {} if loose else twins(names)
    for name in names:
        wrong = flaw(name, loose=loose)
        if wrong is None and name in shadowed:
            wrong = f"cannot stand beside {shadowed[name]!r}: they may be one file"
        if wrong is not None:
            document.reject_key((*section, name), wrong)
