"""What must hold between providers, deployments and tiers, so that calls find a way."""

import re
from collections.abc import Mapping

from crew.quota.limits import Limit, Metric
from crew.settings.budgets import Budget
from crew.settings.check_budgets import budget, check_budgets, counts_money_of
from crew.settings.cycles import cycles, shown_cycle
from crew.settings.document import Document, KeyPath
from crew.settings.files import Files, Shapes, expect
from crew.settings.parameters import check_parameters
from crew.settings.schema import (
    ProviderShape,
    TiersFile,
    TierShape,
)
from crew.settings.values import (
    COMPLEXITIES,
    KINDS,
    Deployment,
    Provider,
)
from crew.settings.wording import unknown

SCOPES = ("user", "team", "role", "run")


def check_providers_and_tiers(files: Files, shapes: Shapes) -> None:
    """Note in the files which providers, deployments, tiers, rules and quotas do not
    fit together."""
    _check_providers(files.providers, shapes.providers)
    _check_deployments(files.providers, shapes)
    _check_tiers(files, shapes)


def check_prices(
    document: Document,
    deployments: Mapping[str, Deployment],
    tiers_file: TiersFile | None,
) -> None:
    """Note each deployment that a limit in dollars cannot count."""
    everywhere: list[Limit] = []
    budgets: list[Budget] = []
    if tiers_file is not None:
        budgets = [budget(one) for one in tiers_file.budgets]
        everywhere += [
            limit
            for members in tiers_file.quotas.values()
            for limits in members.values()
            for limit in limits
        ]
    for name, deployment in deployments.items():
        provider = deployment.provider
        shared = provider.classes.get(deployment.klass or "", ())
        limits = [*everywhere, *provider.limits, *shared, *deployment.limits]
        counted = any(limit.metric is Metric.USD for limit in limits) or any(
            counts_money_of(one, deployment) for one in budgets
        )
        if counted and deployment.price is None:
            document.reject(
                ("deployments", name, "price"),
                "price unknown: set `price: {input, output}`; a limit counts usd",
            )


def _check_providers(
    document: Document, providers: Mapping[str, ProviderShape]
) -> None:
    for name, provider in providers.items():
        path = ("providers", name)
        plans = document.names(*path, "plans") or []
        if provider.plan is not None:
            expect(document, (*path, "plan"), "plan", provider.plan, plans)
        elif plans:
            document.reject(
                (*path, "plan"),
                f"missing; say which plan the account is on; allowed: "
                f"{', '.join(plans)}",
            )
        if provider.local and provider.base_url is None:
            document.reject((*path, "base_url"), "missing; a local provider needs it")
        keyed = "api_key" in (document.names(*path) or [])
        if not provider.local and not keyed and provider.base_url is None:
            document.reject(
                (*path, "api_key"),
                "missing; write ${NAME}, or `local: true`, or the `base_url` of a "
                "server that takes no key",
            )


def _check_deployments(document: Document, shapes: Shapes) -> None:
    known = document.names("providers")
    for name, deployment in shapes.deployments.items():
        path = ("deployments", name)
        expect(document, (*path, "provider"), "provider", deployment.provider, known)
        if deployment.klass is not None and deployment.provider in shapes.providers:
            classes = _classes(document, deployment.provider)
            expect(document, (*path, "class"), "class", deployment.klass, classes)
        if deployment.model.startswith("vllm/"):
            document.reject(
                (*path, "model"),
                "vllm/ runs the model inside this process; for a server of vLLM's "
                f"write hosted_{deployment.model}",
            )
        check_parameters(document, (*path, "parameters"), deployment.parameters)


def _classes(document: Document, provider: str) -> list[str]:
    """The classes of deployments that a provider or any of its plans names."""
    path = ("providers", provider)
    names = document.names(*path, "classes") or []
    for plan in document.names(*path, "plans") or []:
        names += document.names(*path, "plans", plan, "limits") or []
    return list(dict.fromkeys(names))


def _check_tiers(files: Files, shapes: Shapes) -> None:
    document = files.tiers
    tiers = document.names("tiers")
    deployments = files.providers.names("deployments")
    for name in tiers or []:
        if name in (deployments or []):
            document.reject(("tiers", name), "a deployment has this name, too")
    known = None if deployments is None else [*deployments, *(tiers or [])]
    chains: list[tuple[KeyPath, list[str]]] = [
        *(
            (("tiers", name, "chain"), tier.chain)
            for name, tier in shapes.tiers.items()
        ),
        *(
            (("routing", name, "chain"), rule.chain)
            for name, rule in shapes.rules.items()
        ),
    ]
    for path, chain in chains:
        for index, entry in enumerate(chain):
            expect(document, (*path, index), "deployment or tier", entry, known)
    for name, tier in shapes.tiers.items():
        if tier.then is not None:
            expect(document, ("tiers", name, "then"), "tier", tier.then, tiers)
    _check_cycles(document, shapes.tiers)
    for name in document.names("routing") or []:
        _check_rule(document, name)
    for scope in document.names("quotas") or []:
        expect(document, ("quotas", scope), "scope", scope, list(SCOPES))
    _check_role_quotas(files, shapes.tiers_file)
    check_budgets(files, shapes.tiers_file)
    _check_runs(document, shapes.tiers_file)


def _check_cycles(document: Document, tiers: Mapping[str, TierShape]) -> None:
    thens = {name: [tier.then] if tier.then else [] for name, tier in tiers.items()}
    named = {name: tier.chain for name, tier in tiers.items()}
    for key, graph in (("then", thens), ("chain", named)):
        for cycle in cycles(graph):
            message = f"goes in a circle: {shown_cycle(cycle)}"
            document.reject(("tiers", cycle[0], key), message)


def _check_rule(document: Document, name: str) -> None:
    kind, dot, complexity = name.partition(".")
    if kind not in KINDS:
        document.reject(("routing", name), unknown("kind", kind, KINDS))
    elif dot and complexity not in COMPLEXITIES:
        document.reject(
            ("routing", name), unknown("complexity", complexity, COMPLEXITIES)
        )


def _check_role_quotas(files: Files, file: TiersFile | None) -> None:
    roles = files.agents.names()
    for name in (file.quotas if file else {}).get("role", {}):
        if name:
            expect(files.tiers, ("quotas", "role", name), "role", name, roles)


def _check_runs(document: Document, file: TiersFile | None) -> None:
    for scope, members in (file.quotas if file else {}).items():
        for member, limits in members.items():
            path = ("quotas", scope, member) if member else ("quotas", scope)
            for index, limit in enumerate(limits):
                if limit.unit == "run" and scope != "run":
                    document.reject(
                        (*path, index),
                        "a limit per run belongs under `budgets` or `quotas.run`",
                    )


_SECRET_NAME = re.compile(
    r"(?:^|[-_])(?:authorization|(?:api)?key|token|secret|password)(?:[-_]|$)",
    re.IGNORECASE,
)
_SECRET_PART = re.compile(r"api_?key", re.IGNORECASE)


def check_headers(document: Document, providers: Mapping[str, Provider]) -> None:
    """Note each header that seems to hold a key in plain text."""
    for provider in providers.values():
        for name in provider.headers:
            path = ("providers", provider.name, "headers", name)
            written = document.raw(path)
            secret = _SECRET_NAME.search(name) or _SECRET_PART.search(written)
            if secret and "${" not in written:
                document.reject(
                    path, "keys belong in the environment or .env; write ${NAME}"
                )
