"""Which models the user's keys can reach, and what could serve in place of another.

What the providers' own lists say goes before the YAML, and that before litellm's table.
"""

from crew.models.asking import Place, ask, place_of
from crew.models.catalogue import Catalogue, Offer, catalogue
from crew.models.proposals import Proposal, proposals

__all__ = [
    "Catalogue",
    "Offer",
    "Place",
    "Proposal",
    "ask",
    "catalogue",
    "place_of",
    "proposals",
]
