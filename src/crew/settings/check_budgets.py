"""What must hold of budgets: names that exist, prices that are known."""

from collections.abc import Iterator

from crew.quota.limits import Limit, Metric
from crew.settings.budgets import EACH, Budget
from crew.settings.document import KeyPath
from crew.settings.files import Files, expect
from crew.settings.schema import BudgetShape, TiersFile
from crew.settings.values import Deployment

_SCOPES = ("role", "tier", "provider")


def budget(shape: BudgetShape) -> Budget:
    """The budget of a shape."""
    return Budget(
        limit=shape.limit,
        role=shape.role or "",
        user=shape.user or "",
        team=shape.team or "",
        tier=shape.tier or "",
        provider=shape.provider or "",
        warn=shape.warn,
        then=shape.then or "",
    )


def limits_of_all(file: TiersFile) -> tuple[Limit, ...]:
    """The limits on everything together."""
    return tuple(one.limit for one in file.budgets if not budget(one).scope)


def rules(file: TiersFile) -> tuple[Budget, ...]:
    """The budgets that say more than a limit on everything together."""
    made = map(budget, file.budgets)
    return tuple(one for one in made if one.scope or one.then or one.warn is not None)


def check_budgets(files: Files, file: TiersFile | None) -> None:
    """Note in tiers.yaml which budgets cannot work."""
    document, seen = files.tiers, set[tuple[object, ...]]()
    known = {
        "role": files.agents.names(),
        "tier": document.names("tiers"),
        "provider": files.providers.names("providers"),
    }
    for index, shape in enumerate(file.budgets if file else ()):
        path: KeyPath = ("budgets", index)
        made = budget(shape)
        for what, name in made.scope.items():
            if what in _SCOPES and not (what == "role" and name == EACH):
                expect(document, (*path, what), what, name, known[what])
        for problem in _problems(made):
            document.reject(path, problem)
        key = (made.limit, *made.scope.items())
        if key in seen:
            document.reject(path, f"{made.limit} is there twice for the same")
        seen.add(key)


def _problems(made: Budget) -> Iterator[str]:
    if made.limit.metric is Metric.CONCURRENT:
        yield "a budget counts money, tokens or requests in a window"


def counts_money_of(made: Budget, deployment: Deployment) -> bool:
    """Whether a budget counts the money of calls to a deployment."""
    if made.limit.metric is not Metric.USD:
        return False
    # What a chain holds is written out later: a tier's budget may count any of them.
    return made.provider in ("", deployment.provider.name)
