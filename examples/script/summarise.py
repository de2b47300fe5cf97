"""Start a crew from a script, once for each text, and say what it cost.

uv run python examples/script/summarise.py
"""

from pathlib import Path

from crew import QuotaExceeded, kickoff

CONFIG = Path(__file__).parent / "config"
TEXTS = (
    "The orders API lists all orders at once. Large shops wait for a minute.",
    "The price list is a spreadsheet. Three people change it by hand each day.",
)


def main() -> None:
    for text in TEXTS:
        try:
            result = kickoff(
                request=text,
                inputs={"readers": "managers"},
                repositories=(),  # an empty workspace
                config=CONFIG,
                listener=print,  # waits and swaps
            )
        except QuotaExceeded as exc:
            print(f"closed until {exc.opens_at}; kickoff(resume=...) goes on")
            break
        print(f"{result.run_id}: {result.status}, ${result.report.cost}")
        print(result.raw)


if __name__ == "__main__":
    main()
