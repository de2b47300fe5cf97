"""Answers as providers send them, byte for byte, in each of the four protocols."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Call = tuple[str, str]
"""The name of a tool, and the arguments as the model wrote them."""

PROTOCOLS: Mapping[str, str] = {
    "anthropic": "messages",
    "deepseek": "chat_completions",
    "gemini": "generate_content",
    "groq": "chat_completions",
    "mistral": "chat_completions",
    "ollama_chat": "api_chat",
    "openai": "chat_completions",
    "openrouter": "chat_completions",
    "together_ai": "chat_completions",
}
"""The protocol of each family, by litellm's prefix."""

STREAM_TYPES = {
    "api_chat": "application/x-ndjson",
}
NUMBERS: Mapping[str, Mapping[str, object]] = {
    "chat_completions": {
        "prompt_tokens": 9,
        "completion_tokens": 5,
        "total_tokens": 14,
    },
    "messages": {"input_tokens": 9, "output_tokens": 5},
    "generate_content": {
        "promptTokenCount": 9,
        "candidatesTokenCount": 5,
        "totalTokenCount": 14,
    },
    "api_chat": {"prompt_eval_count": 9, "eval_count": 5},
}
WELL = {
    "chat_completions": "stop",
    "messages": "end_turn",
    "generate_content": "STOP",
    "api_chat": "stop",
}


def lines(*events: object) -> bytes:
    """Events as server-sent ones. Raw: only what JSON demands is escaped."""
    texts = [event if isinstance(event, str) else raw_json(event) for event in events]
    return "".join(f"data: {text}\n\n" for text in texts).encode()


def raw_json(value: object) -> str:
    """JSON in which every line separator stands raw."""
    plain = json.dumps(value, ensure_ascii=False)
    for separator in "\v\f\x1c\x1d\x1e":
        plain = plain.replace(json.dumps(separator)[1:-1], separator)
    return plain


def answer(
    protocol: str,
    text: str = "hello",
    *,
    word: str | None = "",
    streamed: bool = False,
    calls: Sequence[Call] = (),
    indexes: Sequence[int | None] = (),
    usage: Mapping[str, object] | None = None,
    done: bool = True,
) -> bytes:
    """One answer. `word` is the provider's word for its end; empty: it ended well.
    `indexes` are those that a stream gives to the calls. Without `done` a stream stops
    where its last event should come."""
    if word == "":
        word = WELL[protocol]
        if calls and protocol != "generate_content":
            word = {"messages": "tool_use", "chat_completions": "tool_calls"}.get(
                protocol, word
            )
    numbers = NUMBERS[protocol] if usage is None else usage
    places = list(indexes) or list(range(len(calls)))
    made = _Answer(
        text=text,
        word=word,
        streamed=streamed,
        calls=list(calls),
        places=places,
        usage=numbers,
        done=done,
    )
    return {
        "chat_completions": made.chat_completions,
        "messages": made.messages,
        "generate_content": made.generate_content,
        "api_chat": made.api_chat,
    }[protocol]()


@dataclass(frozen=True, kw_only=True)
class _Answer:
    """One answer, in the form of each protocol."""

    text: str
    word: str | None
    streamed: bool
    calls: list[Call]
    places: list[int | None]
    usage: Mapping[str, object]
    done: bool

    def chat_completions(self) -> bytes:
        head = {"id": "c-1", "created": 1, "model": "m"}
        made = [
            {
                "id": f"call_{number}",
                "type": "function",
                "function": {"name": name, "arguments": arguments},
            }
            for number, (name, arguments) in enumerate(self.calls)
        ]
        if not self.streamed:
            message: dict[str, Any] = {"role": "assistant", "content": self.text}
            if made:
                message["tool_calls"] = made
            choice = {"index": 0, "message": message, "finish_reason": self.word}
            whole = {
                **head,
                "object": "chat.completion",
                "choices": [choice],
                "usage": dict(self.usage),
            }
            return raw_json(whole).encode()
        head["object"] = "chat.completion.chunk"

        def chunk(delta: object, reason: str | None = None) -> object:
            choice = {"index": 0, "delta": delta, "finish_reason": reason}
            return {**head, "choices": [choice]}

        events = [
            chunk({"role": "assistant", "content": part}) for part in _parts(self.text)
        ]
        for call, place in zip(made, self.places, strict=True):
            name, arguments = call["function"]["name"], call["function"]["arguments"]
            index = {} if place is None else {"index": place}
            opening = {**call, **index, "function": {"name": name, "arguments": ""}}
            events.append(chunk({"tool_calls": [opening]}))
            for part in _parts(arguments):
                piece = {**index, "function": {"arguments": part}}
                events.append(chunk({"tool_calls": [piece]}))
        if self.word is not None and self.done:
            events.append(chunk({}, self.word))
            events.append({**head, "choices": [], "usage": dict(self.usage)})
        return lines(*events, *(["[DONE]"] if self.done else []))

    def messages(self) -> bytes:
        message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m"}
        if not self.streamed:
            blocks: list[object] = [{"type": "text", "text": self.text}]
            for number, (name, arguments) in enumerate(self.calls):
                use = {"type": "tool_use", "id": f"toolu_{number}", "name": name}
                blocks.append({**use, "input": json.loads(arguments)})
            ended = {
                "content": blocks,
                "stop_reason": self.word,
                "usage": dict(self.usage),
            }
            return raw_json({**message, **ended}).encode()
        start = {
            **message,
            "content": [],
            "stop_reason": None,
            "usage": dict(self.usage),
        }
        events: list[object] = [{"type": "message_start", "message": start}]

        def block(index: int, opening: object, deltas: list[object]) -> None:
            base = {"index": index}
            began = {"type": "content_block_start", **base, "content_block": opening}
            events.append(began)
            for delta in deltas:
                events.append({"type": "content_block_delta", **base, "delta": delta})
            events.append({"type": "content_block_stop", **base})

        texts: list[object] = [
            {"type": "text_delta", "text": p} for p in _parts(self.text)
        ]
        block(0, {"type": "text", "text": ""}, texts)
        for number, (name, arguments) in enumerate(self.calls):
            use = {
                "type": "tool_use",
                "id": f"toolu_{number}",
                "name": name,
                "input": {},
            }
            parts: list[object] = [
                {"type": "input_json_delta", "partial_json": p}
                for p in _parts(arguments)
            ]
            block(number + 1, use, parts)
        if self.word is not None:
            delta = {"stop_reason": self.word}
            events.append(
                {"type": "message_delta", "delta": delta, "usage": dict(self.usage)}
            )
        return lines(*events, *([{"type": "message_stop"}] if self.done else []))

    def generate_content(self) -> bytes:
        used = [
            {"functionCall": {"name": name, "args": json.loads(arguments)}}
            for name, arguments in self.calls
        ]

        def event(parts: list[Any], reason: str | None = None) -> dict[str, Any]:
            candidate: dict[str, Any] = {"index": 0, "content": {"parts": parts}}
            if reason is not None:
                candidate["finishReason"] = reason
            return {
                "candidates": [candidate],
                "usageMetadata": dict(self.usage),
                "modelVersion": "m",
            }

        if not self.streamed:
            return raw_json(event([{"text": self.text}, *used], self.word)).encode()
        events = [event([{"text": part}]) for part in _parts(self.text)]
        last = event([*used, {"text": ""}] if used else [{"text": ""}], self.word)
        return lines(*events, *([last] if self.done else []))

    def api_chat(self) -> bytes:
        used = [
            {"function": {"name": name, "arguments": json.loads(arguments)}}
            for name, arguments in self.calls
        ]

        def event(content: str, **more: object) -> dict[str, object]:
            message: dict[str, object] = {"role": "assistant", "content": content}
            if used and more.get("done"):
                message["tool_calls"] = used
            start = {"model": "m", "created_at": "2026-11-26T00:00:00Z", "done": False}
            return {**start, "message": message, **more}

        end = {"done": True, "done_reason": self.word, **self.usage}
        if not self.streamed:
            return raw_json(event(self.text, **end)).encode()
        events = [event(part) for part in _parts(self.text)]
        if self.done:
            events.append(event("", **end))
        return "".join(raw_json(one) + "\n" for one in events).encode()


def _parts(text: str) -> list[str]:
    """A text in three pieces."""
    third = len(text) // 3
    return [text[:third], text[third : 2 * third], text[2 * third :]]
