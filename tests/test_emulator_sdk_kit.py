"""The providers' own clients behind one face, so that one test can ask them all."""

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import anthropic
import groq
import httpx2
import ollama
import openai
import together
from google import genai
from google.genai import errors as google_errors
from google.genai import types as google
from mistralai.client import Mistral as MistralClient
from mistralai.client.errors import MistralError

KEY = "sk-emulated"
MODEL = "m-1"
PROMPT = "Say hello."
NOTE = "write_file"
PARAMETERS = {
    "type": "object",
    "properties": {"path": {"type": "string"}, "content": {"type": "string"}},
    "required": ["path", "content"],
}
SCHEMA = {
    "type": "object",
    "properties": {"verdict": {"type": "string", "enum": ["good", "bad"]}},
    "required": ["verdict"],
}


@dataclass(frozen=True, kw_only=True)
class Said:
    """What a client understood of an answer."""

    text: str = ""
    calls: Sequence[tuple[str, Mapping[str, Any]]] = ()
    finish: object = None
    usage: tuple[int, int] = (0, 0)
    headers: Mapping[str, str] = field(default_factory=dict)
    pieces: int = 1


class Failed(Exception):
    """What a client understood of a refusal."""

    def __init__(self, status: int, body: object, headers: Mapping[str, str]) -> None:
        super().__init__(f"{status}: {body}")
        self.status = status
        self.text = json.dumps(body) if not isinstance(body, str) else body
        self.headers = headers


class Client(Protocol):
    """One client of one provider, whose model is `MODEL`."""

    def ask(self, *, image: bytes | None = None, schema: bool = False) -> Said: ...

    def stream(self, *, tools: bool = False) -> Said: ...

    def converse(self) -> tuple[Said, Said]:
        """The answer with a tool call, and the one after its result "done"."""
        ...


class OpenAI:
    """The OpenAI client; Groq's and Together's are made after it."""

    errors: tuple[type[Exception], type[Exception]] = (
        openai.APIStatusError,
        openai.APIError,
    )

    def __init__(self, root: str, provider: str) -> None:
        self._client: Any = self.open(f"{root}/{provider}")

    def open(self, host: str) -> Any:
        return openai.OpenAI(base_url=f"{host}/v1", api_key=KEY, max_retries=0)

    def ask(self, *, image: bytes | None = None, schema: bool = False) -> Said:
        content: Any = PROMPT
        if image is not None:
            url = f"data:image/png;base64,{base64.b64encode(image).decode()}"
            shown = {"type": "image_url", "image_url": {"url": url}}
            content = [{"type": "text", "text": PROMPT}, shown]
        more: dict[str, Any] = {}
        if schema:
            named = {"name": "verdict", "schema": SCHEMA}
            more["response_format"] = {"type": "json_schema", "json_schema": named}
        return self._create([{"role": "user", "content": content}], **more)[0]

    def converse(self) -> tuple[Said, Said]:
        messages: list[Any] = [{"role": "user", "content": PROMPT}]
        tools = [self._tool()]
        first, message = self._create(messages, tools=tools)
        call = message.tool_calls[0]
        result = {"role": "tool", "tool_call_id": call.id, "content": "done"}
        said = message.model_dump(exclude_none=True)
        return first, self._create([*messages, said, result], tools=tools)[0]

    def stream(self, *, tools: bool = False) -> Said:
        more = {"tools": [self._tool()]} if tools else {}
        text, name, arguments, usage, finish, pieces = "", "", "", (0, 0), None, 0
        with self._understood():
            chunks = self._client.chat.completions.create(
                model=MODEL,
                messages=[{"role": "user", "content": PROMPT}],
                stream=True,
                # Not every client has this as an argument.
                extra_body={"stream_options": {"include_usage": True}},
                **more,
            )
            for chunk in chunks:
                if chunk.usage:
                    usage = (chunk.usage.prompt_tokens, chunk.usage.completion_tokens)
                for choice in chunk.choices:
                    finish = choice.finish_reason or finish
                    text += choice.delta.content or ""
                    pieces += bool(choice.delta.content)
                    for call in choice.delta.tool_calls or ():
                        name += call.function.name or ""
                        arguments += call.function.arguments or ""
        calls = [(name, json.loads(arguments))] if name else []
        return Said(text=text, calls=calls, finish=finish, usage=usage, pieces=pieces)

    def _tool(self) -> Any:
        function = {"name": NOTE, "description": "Write.", "parameters": PARAMETERS}
        return {"type": "function", "function": function}

    def _create(self, messages: list[Any], **more: Any) -> tuple[Said, Any]:
        with self._understood():
            raw = self._client.chat.completions.with_raw_response.create(
                model=MODEL, messages=messages, **more
            )
            answer = raw.parse()
        choice, usage = answer.choices[0], answer.usage
        said = Said(
            text=choice.message.content or "",
            calls=[
                (call.function.name, json.loads(call.function.arguments))
                for call in choice.message.tool_calls or ()
            ],
            finish=choice.finish_reason,
            usage=(usage.prompt_tokens, usage.completion_tokens),
            headers=raw.headers,
        )
        return said, choice.message

    @contextmanager
    def _understood(self) -> Iterator[None]:
        answered, whatever = self.errors
        try:
            yield
        except answered as exc:
            response = exc.response  # type: ignore[attr-defined]
            body = exc.body  # type: ignore[attr-defined]
            raise Failed(response.status_code, body, response.headers) from exc
        except whatever as exc:
            raise Failed(200, str(exc), {}) from exc


class OpenRouter(OpenAI):
    """OpenRouter is asked by the OpenAI client."""

    def open(self, host: str) -> Any:
        return openai.OpenAI(base_url=f"{host}/api/v1", api_key=KEY, max_retries=0)


class DeepSeek(OpenAI):
    """DeepSeek is asked by the OpenAI client."""

    def open(self, host: str) -> Any:
        return openai.OpenAI(base_url=host, api_key=KEY, max_retries=0)


class Groq(OpenAI):
    """The Groq client."""

    errors = (groq.APIStatusError, groq.APIError)

    def open(self, host: str) -> Any:
        return groq.Groq(base_url=host, api_key=KEY, max_retries=0)


class Together(OpenAI):
    """The Together client."""

    errors = (together.APIStatusError, together.APIError)

    def open(self, host: str) -> Any:
        return together.Together(base_url=host, api_key=KEY, max_retries=0)


class Mistral:
    """The Mistral client. It shows headers to hooks only."""

    def __init__(self, root: str, provider: str) -> None:
        self._headers: Mapping[str, str] = {}
        http = httpx2.Client(event_hooks={"response": [self._keep]})
        self._client = MistralClient(
            server_url=f"{root}/{provider}", api_key=KEY, client=http
        )

    def ask(self, *, image: bytes | None = None, schema: bool = False) -> Said:
        content: Any = PROMPT
        if image is not None:
            url = f"data:image/png;base64,{base64.b64encode(image).decode()}"
            shown = {"type": "image_url", "image_url": url}
            content = [{"type": "text", "text": PROMPT}, shown]
        more: dict[str, Any] = {}
        if schema:
            named = {"name": "verdict", "schema": SCHEMA}
            more["response_format"] = {"type": "json_schema", "json_schema": named}
        return self._create([{"role": "user", "content": content}], **more)[0]

    def converse(self) -> tuple[Said, Said]:
        messages: list[Any] = [{"role": "user", "content": PROMPT}]
        first, message = self._create(messages, tools=[self._tool()])
        call = message.tool_calls[0]
        result = {"role": "tool", "tool_call_id": call.id, "content": "done"}
        messages += [message, result]
        return first, self._create(messages, tools=[self._tool()])[0]

    def stream(self, *, tools: bool = False) -> Said:
        text, name, arguments, finish, pieces = "", "", "", None, 0
        usage = (0, 0)
        with self._understood():
            chunks = self._client.chat.stream(
                model=MODEL,
                messages=[{"role": "user", "content": PROMPT}],
                tools=[self._tool()] if tools else None,
            )
            for event in chunks:
                if event.data.usage:
                    usage = self._usage(event.data.usage)
                for choice in event.data.choices:
                    finish = choice.finish_reason or finish
                    text += choice.delta.content or ""
                    pieces += bool(choice.delta.content)
                    for call in choice.delta.tool_calls or ():
                        name += call.function.name
                        arguments += call.function.arguments
        if finish == "error":
            raise Failed(200, "the stream ended in an error", {})
        calls = [(name, json.loads(arguments))] if name else []
        return Said(text=text, calls=calls, finish=finish, usage=usage, pieces=pieces)

    def _keep(self, response: httpx2.Response) -> None:
        self._headers = response.headers

    def _usage(self, usage: Any) -> tuple[int, int]:
        return usage.prompt_tokens, usage.completion_tokens

    def _tool(self) -> Any:
        function = {"name": NOTE, "description": "Write.", "parameters": PARAMETERS}
        return {"type": "function", "function": function}

    def _create(self, messages: list[Any], **more: Any) -> tuple[Said, Any]:
        with self._understood():
            answer = self._client.chat.complete(model=MODEL, messages=messages, **more)
        choice = answer.choices[0]
        said = Said(
            text=choice.message.content or "",
            calls=[
                (call.function.name, json.loads(call.function.arguments))
                for call in choice.message.tool_calls or ()
            ],
            finish=choice.finish_reason,
            usage=self._usage(answer.usage),
            headers=self._headers,
        )
        return said, choice.message

    @contextmanager
    def _understood(self) -> Iterator[None]:
        try:
            yield
        except MistralError as exc:
            raise Failed(exc.status_code, exc.body, exc.headers) from exc


class Anthropic:
    """The Anthropic client."""

    def __init__(self, root: str, provider: str) -> None:
        base = f"{root}/{provider}"
        self._client = anthropic.Anthropic(base_url=base, api_key=KEY, max_retries=0)

    def ask(self, *, image: bytes | None = None, schema: bool = False) -> Said:
        content: Any = PROMPT
        if image is not None:
            data = base64.b64encode(image).decode()
            source = {"type": "base64", "media_type": "image/png", "data": data}
            shown = {"type": "image", "source": source}
            content = [{"type": "text", "text": PROMPT}, shown]
        more: dict[str, Any] = {}
        if schema:
            form = {"type": "json_schema", "schema": SCHEMA}
            more["output_config"] = {"format": form}
        return self._create([{"role": "user", "content": content}], **more)[0]

    def converse(self) -> tuple[Said, Said]:
        messages: list[Any] = [{"role": "user", "content": PROMPT}]
        first, message = self._create(messages, tools=[self._tool()])
        use = message.content[-1]
        result = {"type": "tool_result", "tool_use_id": use.id, "content": "done"}
        messages += [
            {"role": "assistant", "content": message.content},
            {"role": "user", "content": [result]},
        ]
        return first, self._create(messages, tools=[self._tool()])[0]

    def stream(self, *, tools: bool = False) -> Said:
        more: dict[str, Any] = {"tools": [self._tool()]} if tools else {}
        with (
            self._understood(),
            self._client.messages.stream(
                model=MODEL,
                max_tokens=1000,
                messages=[{"role": "user", "content": PROMPT}],
                **more,
            ) as stream,
        ):
            pieces = sum(event.type == "text" for event in stream)
            return self._said(stream.get_final_message(), {}, pieces)

    def _tool(self) -> Any:
        return {"name": NOTE, "description": "Write.", "input_schema": PARAMETERS}

    def _create(self, messages: list[Any], **more: Any) -> tuple[Said, Any]:
        with self._understood():
            raw = self._client.messages.with_raw_response.create(
                model=MODEL, max_tokens=1000, messages=messages, **more
            )
            message = raw.parse()
        return self._said(message, raw.headers), message

    def _said(self, message: Any, headers: Any, pieces: int = 1) -> Said:
        blocks = message.content
        return Said(
            text="".join(b.text for b in blocks if b.type == "text"),
            calls=[(b.name, b.input) for b in blocks if b.type == "tool_use"],
            finish=message.stop_reason,
            usage=(message.usage.input_tokens, message.usage.output_tokens),
            headers=headers,
            pieces=pieces,
        )

    @contextmanager
    def _understood(self) -> Iterator[None]:
        try:
            yield
        except anthropic.APIStatusError as exc:
            status = exc.response.status_code
            raise Failed(status, exc.body, exc.response.headers) from exc


class Gemini:
    """The google-genai client."""

    def __init__(self, root: str, provider: str) -> None:
        options = google.HttpOptions(base_url=f"{root}/{provider}")
        self._client = genai.Client(api_key=KEY, http_options=options)

    def ask(self, *, image: bytes | None = None, schema: bool = False) -> Said:
        contents: list[Any] = [PROMPT]
        if image is not None:
            contents.append(google.Part.from_bytes(data=image, mime_type="image/png"))
        config = google.GenerateContentConfig()
        if schema:
            config.response_mime_type = "application/json"
            config.response_json_schema = SCHEMA
        return self._create(contents, config)[0]

    def converse(self) -> tuple[Said, Said]:
        user = google.UserContent(PROMPT)
        first, response = self._create([user], self._tools())
        model = response.candidates[0].content
        result = google.Part.from_function_response(
            name=NOTE, response={"result": "done"}
        )
        contents = [user, model, google.UserContent([result])]
        return first, self._create(contents, self._tools())[0]

    def stream(self, *, tools: bool = False) -> Said:
        said, pieces = Said(), 0
        text, calls = "", []
        with self._understood():
            chunks = self._client.models.generate_content_stream(
                model=MODEL, contents=PROMPT, config=self._tools() if tools else None
            )
            for chunk in chunks:
                said = self._said(chunk)
                text += said.text
                calls += said.calls
                pieces += bool(said.text)
        return replace(said, text=text, calls=calls, pieces=pieces)

    def _tools(self) -> google.GenerateContentConfig:
        declared = google.FunctionDeclaration(
            name=NOTE, description="Write.", parameters_json_schema=PARAMETERS
        )
        tool = google.Tool(function_declarations=[declared])
        return google.GenerateContentConfig(tools=[tool])

    def _create(
        self, contents: Any, config: google.GenerateContentConfig
    ) -> tuple[Said, Any]:
        with self._understood():
            response = self._client.models.generate_content(
                model=MODEL, contents=contents, config=config
            )
        return self._said(response), response

    def _said(self, response: google.GenerateContentResponse) -> Said:
        [candidate] = response.candidates or ()
        parts = (candidate.content.parts if candidate.content else None) or ()
        usage, raw = response.usage_metadata, response.sdk_http_response
        found = [part.function_call for part in parts if part.function_call]
        return Said(
            text="".join(part.text or "" for part in parts),
            calls=[(call.name or "", call.args or {}) for call in found],
            finish=candidate.finish_reason and candidate.finish_reason.value,
            usage=(
                (usage.prompt_token_count or 0, usage.candidates_token_count or 0)
                if usage
                else (0, 0)
            ),
            headers=(raw.headers if raw else None) or {},
        )

    @contextmanager
    def _understood(self) -> Iterator[None]:
        try:
            yield
        except google_errors.APIError as exc:
            response: Any = exc.response
            raise Failed(response.status_code, exc.details, response.headers) from exc


class Ollama:
    """The Ollama client. It keeps the headers to itself."""

    def __init__(self, root: str, provider: str) -> None:
        self._client = ollama.Client(host=f"{root}/{provider}")

    def ask(self, *, image: bytes | None = None, schema: bool = False) -> Said:
        message: dict[str, Any] = {"role": "user", "content": PROMPT}
        if image is not None:
            message["images"] = [image]
        return self._create([message], format=SCHEMA if schema else None)[0]

    def converse(self) -> tuple[Said, Said]:
        messages: list[Any] = [{"role": "user", "content": PROMPT}]
        first, message = self._create(messages, tools=[self._tool()])
        messages += [message, {"role": "tool", "tool_name": NOTE, "content": "done"}]
        return first, self._create(messages, tools=[self._tool()])[0]

    def stream(self, *, tools: bool = False) -> Said:
        text, calls, pieces, last = "", [], 0, None
        with self._understood():
            chunks = self._client.chat(
                model=MODEL,
                messages=[{"role": "user", "content": PROMPT}],
                tools=[self._tool()] if tools else None,
                stream=True,
            )
            for last in chunks:
                text += last.message.content or ""
                pieces += bool(last.message.content)
                calls += self._said(last).calls
        assert last is not None
        return replace(self._said(last), text=text, calls=calls, pieces=pieces)

    def _tool(self) -> Any:
        function = {"name": NOTE, "description": "Write.", "parameters": PARAMETERS}
        return {"type": "function", "function": function}

    def _create(self, messages: list[Any], **more: Any) -> tuple[Said, Any]:
        with self._understood():
            response = self._client.chat(model=MODEL, messages=messages, **more)
        return self._said(response), response.message

    def _said(self, response: ollama.ChatResponse) -> Said:
        called = [call.function for call in response.message.tool_calls or ()]
        return Said(
            text=response.message.content or "",
            calls=[(function.name, function.arguments) for function in called],
            finish=response.done_reason,
            usage=(response.prompt_eval_count or 0, response.eval_count or 0),
        )

    @contextmanager
    def _understood(self) -> Iterator[None]:
        try:
            yield
        except ollama.ResponseError as exc:
            raise Failed(exc.status_code, exc.error, {}) from exc
