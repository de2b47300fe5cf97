"""Google's Gemini: `POST /v1beta/models/{model}:generateContent`, or its stream.

The names of fields are read in camelCase and in snake_case, as Google's JSON allows.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from starlette.requests import Request

from crew.emulator.conversation import (
    JSON_OBJECT,
    BadConversation,
    Conversation,
    Message,
    Tool,
)
from crew.emulator.envelopes import Reply
from crew.emulator.headers import Headers
from crew.emulator.images import Picture, look
from crew.emulator.protocols.wire import Completion, event, parsed, pieces
from crew.emulator.script import Answer

_FINISH_REASONS = {"stop": "STOP", "tool_calls": "STOP", "length": "MAX_TOKENS"}
_STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    402: "RESOURCE_EXHAUSTED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
}
_ROLES = {"model": "assistant"}
_STRANGER = (
    "Method doesn't allow unregistered callers (callers without established identity)."
    " Please use API Key or other form of API consumer identity to call this API."
)
_UNSIGNED = (
    "Function call is missing a thought_signature in functionCall parts. This is "
    "required for tools to work correctly, and missing thought_signature may lead to "
    "degraded model performance."
)
_SIGNATURE = "ZW11bGF0ZWQ="


class GenerateContent:
    """`POST /v1beta/models/{model}:{method}`."""

    family = "gemini"
    stream_type = "text/event-stream"
    until_words = 1
    closing = b""

    def parse(self, request: Request, body: object) -> Conversation:
        if not ("x-goog-api-key" in request.headers or "key" in request.query_params):
            raise BadConversation(_STRANGER, status=403)
        method = request.path_params["method"]
        if method not in ("generateContent", "streamGenerateContent"):
            raise BadConversation(f"{method} is not emulated", status=404)
        stream = method == "streamGenerateContent"
        if stream and request.query_params.get("alt") != "sse":
            raise BadConversation("the emulator streams with alt=sse only")
        if not isinstance(body, dict) or not body.get("contents"):
            raise BadConversation("* GenerateContentRequest.contents: is not specified")
        model = request.path_params["model"]
        try:
            if model.startswith("gemini-3") and _unsigned(body["contents"]):
                raise BadConversation(_UNSIGNED)
            return _conversation(model, body, stream=stream)
        except (KeyError, TypeError, AttributeError) as exc:
            message = f"Invalid JSON payload received: {type(exc).__name__}"
            raise BadConversation(message) from exc

    def whole(self, made: Completion) -> Mapping[str, Any]:
        candidates = [
            _candidate(_parts(answer), _FINISH_REASONS[answer.finish])
            for answer in made.answers
        ]
        return _response(made, candidates)

    def frames(self, made: Completion) -> Iterator[bytes]:
        for answer in made.answers:
            texts = [[{"text": piece}] for piece in pieces(answer.text)]
            *most, last = texts if answer.call is None and texts else [_parts(answer)]
            for parts in most:
                yield event(_response(made, [_candidate(parts)]))
            ending = _candidate(last, _FINISH_REASONS[answer.finish])
            yield event(_response(made, [ending]))
        if not made.answers:
            yield event(_response(made, []))

    def error_whole(self, made: Completion) -> Mapping[str, Any]:
        message = "The model is overloaded. Please try again later."
        return google_error(503, message)

    def error_frame(self, made: Completion) -> bytes:
        return event(self.error_whole(made))

    def filler(self, made: Completion, *, stream: bool) -> bytes:
        return b""

    def marks(self, number: int) -> Headers:
        return {}

    def sealed(self, reply: Reply, number: int) -> Reply:
        return reply


def google_error(status: int, message: str) -> dict[str, Any]:
    """An error in Google's envelope."""
    word = _STATUSES.get(status, "UNAVAILABLE")
    return {"error": {"code": status, "message": message, "status": word}}


def _get(fields: Mapping[str, Any], name: str) -> Any:
    """A field by its name in camelCase, or the same in snake_case."""
    snake = re.sub(r"([A-Z])", lambda upper: f"_{upper[1].lower()}", name)
    return fields.get(name, fields.get(snake))


# The request


def _conversation(model: str, body: Mapping[str, Any], *, stream: bool) -> Conversation:
    system = _text_of((_get(body, "systemInstruction") or {}).get("parts") or ())
    messages = [Message(role="system", text=system)] if system else []
    for content in body["contents"]:
        messages += _messages(content)
    calling = _get(_get(body, "toolConfig") or {}, "functionCallingConfig") or {}
    mode = calling.get("mode", "AUTO")
    tools = () if mode == "NONE" else tuple(_tools(body.get("tools") or ()))
    named = _get(calling, "allowedFunctionNames") or [tool.name for tool in tools]
    config = _get(body, "generationConfig") or {}
    return Conversation(
        model=model,
        messages=tuple(messages),
        tools=tools,
        stream=stream,
        max_tokens=_get(config, "maxOutputTokens"),
        stop=tuple(_get(config, "stopSequences") or ()),
        schema=_schema(config),
        forced=named[0] if mode == "ANY" and len(named) == 1 else None,
    )


def _messages(content: Mapping[str, Any]) -> Iterator[Message]:
    """One message of ours for each function's response, and one for the rest."""
    parts = content["parts"]
    for part in parts:
        response = _get(part, "functionResponse")
        if response is not None:
            yield Message(role="tool", text=_result(response["response"]))
    calls = [call for part in parts if (call := _get(part, "functionCall"))]
    role = content.get("role", "user")
    rest = Message(
        role=_ROLES.get(role, role),
        text=_text_of(parts),
        pictures=tuple(_pictures(parts)),
        calls=tuple((c["name"], json.dumps(c.get("args") or {})) for c in calls),
    )
    if rest.text or rest.pictures or rest.calls:
        yield rest


def _text_of(parts: Sequence[Mapping[str, Any]]) -> str:
    reported = [part for part in parts if "text" in part and not part.get("thought")]
    return "\n".join(part["text"] for part in reported)


def _pictures(parts: Sequence[Mapping[str, Any]]) -> Iterator[Picture]:
    for part in parts:
        data, file = _get(part, "inlineData"), _get(part, "fileData")
        if data is not None:
            yield look(f"data:{_get(data, 'mimeType')};base64,{data['data']}")
        if file is not None:
            yield look(_get(file, "fileUri"))


def _result(response: Mapping[str, Any]) -> str:
    """What a function gave: the text, where it is the only thing."""
    values = list(response.values())
    alone = len(values) == 1 and isinstance(values[0], str)
    return str(values[0]) if alone else json.dumps(response)


def _tools(tools: Sequence[Mapping[str, Any]]) -> Iterator[Tool]:
    for offered in tools:
        for declared in _get(offered, "functionDeclarations") or ():
            schema = _get(declared, "parametersJsonSchema") or declared.get(
                "parameters"
            )
            yield Tool(
                name=declared["name"],
                description=declared.get("description") or "",
                schema=_plain(schema or {}),
            )


def _schema(config: Mapping[str, Any]) -> Mapping[str, Any] | None:
    if _get(config, "responseMimeType") != "application/json":
        return None
    wanted = _get(config, "responseJsonSchema") or _get(config, "responseSchema")
    found: Mapping[str, Any] = _plain(wanted or JSON_OBJECT)
    return found


def _plain(schema: Any) -> Any:
    """A schema with its types in lower case: Google's own are `OBJECT`, `STRING`."""
    if isinstance(schema, list):
        return [_plain(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        name: value.lower()
        if name == "type" and isinstance(value, str)
        else _plain(value)
        for name, value in schema.items()
    }


def _unsigned(contents: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a call of the current turn lacks its signature. Gemini 3 insists on it;
    a conversation that comes over from another model in mid-turn has none."""
    for content in reversed(contents):
        if content.get("role", "user") == "user" and _text_of(content["parts"]):
            return False
        calls = [part for part in content["parts"] if _get(part, "functionCall")]
        if calls and not _get(calls[0], "thoughtSignature"):
            return True
    return False


# The answer


def _parts(answer: Answer) -> list[dict[str, Any]]:
    if answer.call is None:
        return [{"text": answer.text}]
    call = {"name": answer.call.name, "args": parsed(answer.call.arguments)}
    return [{"functionCall": call, "thoughtSignature": _SIGNATURE}]


def _candidate(
    parts: Sequence[Mapping[str, Any]], finish: str | None = None
) -> dict[str, Any]:
    candidate = {"content": {"parts": parts, "role": "model"}, "index": 0}
    return candidate | ({"finishReason": finish} if finish else {})


def _response(
    made: Completion, candidates: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    usage = {
        "promptTokenCount": made.input_tokens,
        "candidatesTokenCount": made.output_tokens,
        "totalTokenCount": made.input_tokens + made.output_tokens,
    }
    response = {"usageMetadata": usage, "modelVersion": made.model}
    response |= {"responseId": f"emulated-{made.number}"}
    return ({"candidates": candidates} if candidates else {}) | response
