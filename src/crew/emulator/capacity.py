"""How each provider says that it is full: no limit of the caller's is to blame."""

from crew.emulator.envelopes import Reply, failure, openai_error


def out_of_capacity(family: str, model: str) -> Reply:
    """What the provider says when too many others ask, as documented (2026-11)."""
    match family:
        case "anthropic":
            return failure(family, 529, "overloaded_error", "Overloaded")
        case "gemini":
            message = "The model is overloaded. Please try again later."
            return failure(family, 503, "unavailable", message)
        case "openrouter":
            return _upstream(model)
        case "mistral":
            return _mistral()
        case "ollama":
            message = "server busy, please try again.  maximum pending requests "
            return failure(family, 503, "server_is_overloaded", message + "exceeded")
        case "deepseek":
            return failure(family, 503, "service_unavailable", "Server Overloaded")
        case _:
            message = "The server is overloaded. Please try again later."
            kind = "service_unavailable_error"
            body = openai_error(message, kind, "server_is_overloaded")
            return Reply(status=503, body=body)


def _upstream(model: str) -> Reply:
    """OpenRouter passes on what the one behind it says; the free quota is not hit."""
    raw = f"{model} is temporarily rate-limited upstream. Please retry shortly."
    error = {
        "message": "Provider returned error",
        "code": 429,
        "metadata": {"raw": raw, "provider_name": "Emulated"},
    }
    return Reply(status=429, body={"error": error, "user_id": "user_emulated"})


def _mistral() -> Reply:
    """Mistral's looks like a rate limit; only the text tells them apart."""
    body = {
        "object": "error",
        "message": "Service tier capacity exceeded for this model.",
        "type": "invalid_request_error",
        "param": None,
        "code": "3505",
    }
    return Reply(status=429, body=body)
