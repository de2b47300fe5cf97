"""What a tier keeps for harder work must be a share of something."""

from collections.abc import Mapping

from crew.settings.document import Document
from crew.settings.schema import TierShape
from crew.settings.strategies import is_kept


def check_reserves(document: Document, tiers: Mapping[str, TierShape]) -> None:
    """Note each `reserve` of a tier without a limit that lasts a day or longer."""
    for name, tier in tiers.items():
        if tier.reserve is not None and not any(map(is_kept, tier.limits)):
            document.reject(
                ("tiers", name, "reserve"),
                "keeps a share of the tier's `limits`, and none of them lasts a day or "
                "longer; write one such as 100 requests/day",
            )
