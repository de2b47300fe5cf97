"""Asking for one key: hidden, and never shown again."""

import warnings
from getpass import GetPassWarning, getpass

from crew.cli.console import print_safe
from crew.setup.key_pages import KEY_PAGES, page_of
from crew.setup.keys import is_key

ATTEMPTS = 3
"""How often something may be pasted that is no key."""


def ask_for_key() -> dict[str, str]:
    """A key by its variable; none where the person goes on without, or where the
    terminal cannot hide what is typed."""
    page = KEY_PAGES[0]
    print_safe("There is no key of a provider yet; one is enough to begin.")
    print_safe(f"Get one of {page.name} ({page.note}): {page.address}")
    for _ in range(ATTEMPTS):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", GetPassWarning)
                key = getpass("Paste it here (it stays hidden; Enter for none): ")
        except (EOFError, GetPassWarning):
            return {}
        if not (key := key.strip()):
            return {}
        if is_key(key):
            of = page_of(key)
            print_safe(f"taken as a key of {of.name}")
            return {of.variable: key}
        print_safe("That is no key: it is one word of letters, digits, - and _.")
    return {}
