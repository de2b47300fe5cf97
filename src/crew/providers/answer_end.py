"""How an answer ended, read from the bytes that the provider sent.

litellm makes `stop` of most ends that it does not know, and ends a stream well whose
provider broke off. So the provider's own word is looked up here, for whole and streamed
answers of every protocol.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from crew.providers.bodies import as_object, as_text, objects

DONE = "[DONE]"
_LONGEST = 60


class Ending(StrEnum):
    """What the end of an answer means."""

    WHOLE = "whole"
    CUT_OFF = "cut off by the output limit"
    REFUSED = "refused by the provider's policy"
    TOO_LONG = "the context window is full"
    UNSUPPORTED = "not taken by this model"
    OVERLOADED = "interrupted by the provider's load"
    BROKEN = "ended in an error"


_OPENAI = {
    "stop": Ending.WHOLE,
    "tool_calls": Ending.WHOLE,
    "function_call": Ending.WHOLE,
    "length": Ending.CUT_OFF,
    "content_filter": Ending.REFUSED,
    "error": Ending.BROKEN,  # OpenRouter, Mistral
    "eos": Ending.WHOLE,  # Together, 2026-11
    "eos_token": Ending.WHOLE,  # Hugging Face's server
    "stop_sequence": Ending.WHOLE,  # the same
    "model_length": Ending.TOO_LONG,  # Mistral
    "insufficient_system_resource": Ending.OVERLOADED,  # DeepSeek
    "abort": Ending.BROKEN,  # vLLM, SGLang
}
_ANTHROPIC = {
    "end_turn": Ending.WHOLE,
    "stop_sequence": Ending.WHOLE,
    "tool_use": Ending.WHOLE,
    "max_tokens": Ending.CUT_OFF,
    "refusal": Ending.REFUSED,
    "model_context_window_exceeded": Ending.TOO_LONG,
    # Its own tools went on for too long; we send none, so nothing is there to go on.
    "pause_turn": Ending.BROKEN,
}
_GEMINI = {
    "STOP": Ending.WHOLE,
    "MAX_TOKENS": Ending.CUT_OFF,
    "SAFETY": Ending.REFUSED,
    "RECITATION": Ending.REFUSED,
    "LANGUAGE": Ending.REFUSED,
    "BLOCKLIST": Ending.REFUSED,
    "PROHIBITED_CONTENT": Ending.REFUSED,
    "SPII": Ending.REFUSED,
    "MODEL_ARMOR": Ending.REFUSED,
    "IMAGE_SAFETY": Ending.REFUSED,
    "IMAGE_PROHIBITED_CONTENT": Ending.REFUSED,
    "IMAGE_RECITATION": Ending.REFUSED,
    "MALFORMED_FUNCTION_CALL": Ending.BROKEN,
    "UNEXPECTED_TOOL_CALL": Ending.BROKEN,
    "TOO_MANY_TOOL_CALLS": Ending.BROKEN,
    "MALFORMED_RESPONSE": Ending.BROKEN,
    "MISSING_THOUGHT_SIGNATURE": Ending.UNSUPPORTED,
    "FINISH_REASON_UNSPECIFIED": Ending.BROKEN,
    "OTHER": Ending.BROKEN,
}
_OLLAMA = {
    "stop": Ending.WHOLE,
    "length": Ending.CUT_OFF,
    "load": Ending.BROKEN,
    "unload": Ending.BROKEN,
}
ENDINGS: Mapping[str, Mapping[str, Ending]] = {
    "chat_completions": _OPENAI,
    "messages": _ANTHROPIC,
    "generate_content": _GEMINI,
    "api_chat": _OLLAMA,
}
"""What each protocol's words mean (the providers' API references, 2026-11). A word that
is not here ends no answer well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """The end of one answer. `words` are the reasons that the provider gave, one for
    each choice, and `protocol` is whose words they are. `error` is an error in place of
    the end. `closed` says that the protocol's last event came, where it has one."""

    protocol: str = ""
    words: tuple[str, ...] = ()
    refused: bool = False
    error: Mapping[str, object] = field(default_factory=dict)
    closed: bool = True

    @property
    def ending(self) -> Ending | None:
        """What the end means; None where no end came. Of several, the worst."""
        if self.error:
            return Ending.BROKEN
        known = ENDINGS.get(self.protocol, {})
        found = [known.get(word, Ending.BROKEN) for word in self.words]
        if self.refused:
            found.append(Ending.REFUSED)
        if not found or not self.closed:
            return None
        return next((end for end in found if end is not Ending.WHOLE), Ending.WHOLE)

    @property
    def word(self) -> str:
        """The provider's word for an end that is not whole, without what else may be
        in it."""
        word = next(iter(self.words), "")
        return "".join(letter for letter in word if letter.isalnum() or letter == "_")[
            :_LONGEST
        ]


def read_end(body: bytes) -> End:
    """The end of an answer from all of its bytes, whole or streamed."""
    found = _Found()
    for event in events(body):
        found.take(event)
    return found.end()


def events(body: bytes, *marks: bytes) -> Iterator[Mapping[str, object]]:
    """The JSON objects of a body: itself, or its lines; with `marks` only the lines
    that hold one of them."""
    whole = _json(body)
    if whole is not None:
        yield from objects(whole)
        return
    for line in body.split(b"\n"):
        if marks and not any(mark in line for mark in marks):
            continue
        data = line.strip().removeprefix(b"data:").strip()
        if data == DONE.encode():
            yield {DONE: True}
        elif data.startswith((b"{", b"[")):
            yield from objects(_json(data))


def _json(text: bytes) -> object:
    try:
        found: object = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found


class _Found:
    """What the events brought so far."""

    def __init__(self) -> None:
        self._words: dict[tuple[str, int], str] = {}
        self._protocol = ""
        self._refused = False
        self._error: Mapping[str, object] = {}
        self._begun = self._stopped = False

    def take(self, event: Mapping[str, object]) -> None:
        if event.get("error"):
            error = event["error"]
            self._error = error if isinstance(error, dict) else {"message": str(error)}
        self._openai(event)
        self._anthropic(event)
        self._gemini(event)
        if event.get("done") is True:  # Ollama; older ones give no reason
            self._note("api_chat", 0, event.get("done_reason") or "stop")

    def end(self) -> End:
        return End(
            protocol=self._protocol,
            words=tuple(self._words.values()),
            refused=self._refused,
            error=self._error,
            closed=self._stopped or not self._begun,
        )

    def _note(self, protocol: str, choice: object, word: object) -> None:
        text = as_text(word)
        if text:
            index = choice if isinstance(choice, int) else 0
            self._protocol = protocol
            self._words[protocol, index] = text

    def _openai(self, event: Mapping[str, object]) -> None:
        for choice in objects(event.get("choices")):
            self._note(
                "chat_completions", choice.get("index"), choice.get("finish_reason")
            )
            for part in ("message", "delta"):
                if as_text(as_object(choice.get(part)).get("refusal")).strip():
                    self._refused = True

    def _anthropic(self, event: Mapping[str, object]) -> None:
        match event.get("type"):
            case "message_start":
                self._begun = True
            case "message_stop":
                self._stopped = True
            case "message":
                self._note("messages", 0, event.get("stop_reason"))
            case "message_delta":
                delta = as_object(event.get("delta"))
                self._note("messages", 0, delta.get("stop_reason"))

    def _gemini(self, event: Mapping[str, object]) -> None:
        if as_object(event.get("promptFeedback")).get("blockReason"):
            self._refused, self._protocol = True, "generate_content"
        for candidate in objects(event.get("candidates")):
            self._note(
                "generate_content",
                candidate.get("index"),
                candidate.get("finishReason"),
            )
