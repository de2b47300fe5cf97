"""What the faults say that are refusals."""

from collections.abc import Mapping

from crew.emulator.conversation import Conversation
from crew.emulator.enforcement import Breach
from crew.emulator.envelopes import Reply
from crew.emulator.families.registry import family_of
from crew.emulator.faults import Fault, Order
from crew.emulator.model_entries import upstream_id
from crew.quota.limits import Limit, Metric, WindowKind
from crew.settings import Deployment

_STATUSES: Mapping[Fault, tuple[int, str, str]] = {
    Fault.SERVER_ERROR: (500, "server_error", "The server had an error."),
    Fault.BAD_GATEWAY: (502, "provider_unavailable", "Bad gateway."),
    Fault.UNAVAILABLE: (503, "server_is_overloaded", "The model is overloaded."),
    Fault.OVERLOADED: (529, "overloaded_error", "Overloaded"),
    Fault.UNAUTHORIZED: (401, "invalid_api_key", "Incorrect API key provided."),
    Fault.FORBIDDEN: (403, "forbidden", "This key may not use this model."),
    Fault.BAD_REQUEST: (400, "invalid_request", "Invalid value for 'messages'."),
}
_CONTENT = "Your request was rejected by our safety system (content policy)."


def failed_reply(
    order: Order, deployment: Deployment, talk: Conversation, now: float
) -> Reply | None:
    """The refusal that the fault stands for; None if it is no refusal."""
    family = family_of(deployment)
    match order.fault:
        case Fault.RATE_LIMIT:
            return _rate_limited(order, deployment, now)
        case Fault.PAYMENT_REQUIRED:
            reply = family.out_of_money()
        case Fault.CAPACITY:
            reply = family.out_of_capacity(upstream_id(deployment))
        case Fault.MODEL_NOT_FOUND:
            reply = family.unknown_model(upstream_id(deployment))
        case Fault.CONTEXT_LENGTH:
            reply = family.too_long(talk.input_tokens, deployment.context_window)
        case Fault.CONTENT_POLICY:
            reply = family.failure(400, "content_policy_violation", _CONTENT)
        case fault if fault in _STATUSES:
            reply = family.failure(*_STATUSES[fault])
        case _:
            return None
    headers = {}
    if order.retry_after is not None:
        headers["retry-after"] = f"{order.retry_after:g}"
    return Reply(status=reply.status, body=reply.body, headers=headers)


def _rate_limited(order: Order, deployment: Deployment, now: float) -> Reply:
    # A limit of the minute: what it reports of longer ones is not to be trusted.
    limits = (*deployment.provider.limits, *deployment.limits)
    counted = [
        limit
        for limit in limits
        if limit.metric is Metric.REQUESTS and limit.unit == "minute"
    ]
    minute = Limit(
        amount=60, metric=Metric.REQUESTS, kind=WindowKind.ROLLING, unit="minute"
    )
    limit = counted[0] if counted else minute
    breach = Breach(
        limit=limit,
        scope=deployment.klass or deployment.provider.name,
        used=limit.amount,
        need=1,
        wait=order.retry_after,
    )
    return family_of(deployment).refusal(deployment, [breach], now)
