"""What a tier keeps for harder work must be a share of something."""

from collections.abc import Iterator, Mapping

from crew.quota.limits import Limit
from crew.settings.conversion import expanded
from crew.settings.document import Document
from crew.settings.files import Shapes
from crew.settings.schema import TierShape
from crew.settings.strategies import is_kept
from crew.settings.values import Deployment


def check_reserves(
    document: Document, shapes: Shapes, deployments: Mapping[str, Deployment]
) -> None:
    """Note each `reserve` of a tier that no limit of a day or longer concerns."""
    for name, tier in shapes.tiers.items():
        limits = _limits(name, tier, shapes, deployments)
        if tier.reserve is not None and not any(map(is_kept, limits)):
            document.reject(
                ("tiers", name, "reserve"),
                "keeps a share of limits of a day or longer, and neither the tier, nor "
                "a budget of it, nor its deployments have one; write `limits`, such as "
                "100 requests/day",
            )


def _limits(
    name: str,
    tier: TierShape,
    shapes: Shapes,
    deployments: Mapping[str, Deployment],
) -> Iterator[Limit]:
    """The limits that a tier keeps a share of, if they are long enough."""
    yield from tier.limits
    if shapes.tiers_file is not None:
        yield from (one.limit for one in shapes.tiers_file.budgets if one.tier == name)
    for member in expanded(tier.chain, shapes.tiers):
        if (found := deployments.get(member)) is not None:
            yield from found.limits
            by = found.provider
            yield from by.limits
            yield from by.classes.get(found.klass or "", ())
            for plan in by.plans.values():
                yield from plan.limits
                yield from plan.classes.get(found.klass or "", ())
