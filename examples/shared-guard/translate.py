"""Calls of a script's own that share the limits with every crew on this machine.

    uv run python examples/shared-guard/translate.py

Only the guard is used: no crew, no CrewAI. Start it twice within a minute: the second
one finds the first model full, because the counts are shared.
"""

from pathlib import Path

from crew import QuotaGuard, load_tiers
from crew.settings import Deployment

CONFIG = Path(__file__).parent / "config"
WORDS = ("tea", "water", "leaf")
DICTIONARY = {"tea": "Tee", "water": "Wasser", "leaf": "Blatt"}


def call(deployment: Deployment, word: str) -> tuple[str, int, int]:
    """A stand-in for a request to `deployment.base_url`: the text, and the tokens that
    the answer reports."""
    return DICTIONARY[word], 20, 3


def main() -> None:
    guard = QuotaGuard.open(load_tiers(CONFIG), listener=print)
    try:
        for word in WORDS:
            with guard.lease(tier="mid", input_tokens=30, output_tokens=10) as lease:
                text, read, written = call(lease.deployment, word)
                used = lease.settle(input_tokens=read, output_tokens=written)
            print(f"{word}: {text} ({lease.deployment.name}, ${used.usd})")
            if lease.reason:
                print(f"  not the first choice: {lease.reason}")
    finally:
        guard.close()


if __name__ == "__main__":
    main()
