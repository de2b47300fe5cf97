"""The envelope in which each provider puts an error."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer that is no completion. `body` is sent as JSON."""

    status: int
    body: Mapping[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict)


_ANTHROPIC_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    529: "overloaded_error",
}
_GOOGLE_STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    402: "RESOURCE_EXHAUSTED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
}


def failure(family: str, status: int, code: str, message: str) -> Reply:
    """A failure in the family's own envelope. `code` is OpenAI's word for it."""
    body: dict[str, Any]
    match family:
        case "anthropic":
            kind = _ANTHROPIC_TYPES.get(status, "api_error")
            error = {"type": kind, "message": message}
            body = {"type": "error", "error": error, "request_id": "req_emulated"}
        case "gemini":
            word = _GOOGLE_STATUSES.get(status, "UNAVAILABLE")
            body = {"error": {"code": status, "message": message, "status": word}}
        case "openrouter":
            metadata = {"provider_name": None, "error_type": code}
            if status == 402:
                metadata["limit_source"] = "openrouter_credits"
            error_body = {"message": message, "code": status, "metadata": metadata}
            body = {"error": error_body, "user_id": "user_emulated"}
        case "mistral":
            body = {"object": "error", "message": message, "type": code, "param": None}
            body |= {"code": "1300" if status == 429 else None}
            body |= {"raw_status_code": status}
        case _:
            kind = "server_error" if status >= 500 else "invalid_request_error"
            kind = code if code == "insufficient_quota" else kind
            body = openai_error(message, kind, code)
    return Reply(status=status, body=body)


def openai_error(message: str, kind: str, code: str | None) -> dict[str, Any]:
    error = {"message": message, "type": kind, "param": None, "code": code}
    return {"error": error}


def unknown_model(family: str, model: str) -> Reply:
    """What the provider says about a model that it does not have."""
    match family:
        case "anthropic":
            message = f"model: {model}"
        case "gemini":
            message = (
                f"models/{model} is not found for API version v1beta, or is not "
                "supported for generateContent. Call ListModels to see the list of "
                "available models and their supported methods."
            )
        case "openrouter":
            message = f"No endpoints found for {model}."
        case "ollama":
            message = f'model "{model}" not found, try pulling it first'
        case _:
            message = f"The model `{model}` does not exist or you do not have access "
            message += "to it."
    return failure(family, 404, "model_not_found", message)
