"""The one fake provider of the tests: real HTTP on loopback, told what to answer.

It stands beside the emulator for what no honest provider does and the emulator must
not know: answers written out byte for byte (captured refusals, bodies of 20 MB, other
protocols), replies that a test chooses per model or request, and a call held until the
test lets it go. It knows OpenAI's protocol alone and counts no limits.
"""

import json
import re
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from hangs import HANGS_AFTER

Reply = str | dict[str, Any]
"""A fault's name, an HTTP status as digits, the same with what the error says behind
it, a text, or a message of the assistant."""
_REFUSAL = re.compile(r"(\d{3})(?: (.+))?")


@dataclass
class Scripted:
    """What the server does, and what it saw.

    Without `tells_usage` a stream ends without its numbers.
    `headers` go with every answer, before the server's own of the same name.
    `pages[path]` is the status and the body of a GET; `asked` are those that came, and
    `posted` the path and the headers of each POST.
    `hold` returns when a GET may be answered.
    `canned` is the status and the body of the answer to every POST, if it is set.
    `replies[model]` is a list that is used up from the front; its last entry stays.
    `brain` answers what no list does: it gets the request's JSON.
    """

    url: str = ""
    replies: dict[str, list[Reply]] = field(default_factory=dict)
    brain: Callable[[dict[str, Any]], Reply] = lambda request: "hello"
    headers: dict[str, str] = field(default_factory=dict)
    pages: dict[str, tuple[int, object]] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    canned: tuple[int, object] | None = None
    posted: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    requests: list[dict[str, Any]] = field(default_factory=list)
    reported: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    hold: Callable[[], object] = lambda: None
    tells_usage: bool = True
    lock: threading.Lock = field(default_factory=threading.Lock)
    stop: threading.Event = field(default_factory=threading.Event)

    def hits(self, model: str) -> int:
        return sum(request["model"] == model for request in self.requests)

    def next_reply(self, request: dict[str, Any]) -> Reply:
        with self.lock:
            self.requests.append(request)
            left = self.replies.get(request["model"])
            if left:
                return left.pop(0) if len(left) > 1 else left[0]
        return self.brain(request)

    def usage(self, request: dict[str, Any]) -> dict[str, int]:
        """Numbers that differ from call to call, and are remembered."""
        with self.lock:
            count = sum(len(reported) for reported in self.reported.values())
            sent = len(json.dumps(request["messages"])) // 4 + count
            wrote = 7 + count
            self.reported.setdefault(request["model"], []).append((sent, wrote))
        return {
            "prompt_tokens": sent,
            "completion_tokens": wrote,
            "total_tokens": sent + wrote,
        }

    def totals(self) -> tuple[int, int]:
        reported = [pair for pairs in self.reported.values() for pair in pairs]
        return sum(sent for sent, _ in reported), sum(wrote for _, wrote in reported)


def tool_call(name: str, **arguments: object) -> dict[str, Any]:
    """A message that calls one tool."""
    function = {"name": name, "arguments": json.dumps(arguments)}
    return {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {"id": f"call_{name}", "type": "function", "function": function}
        ],
    }


@contextmanager
def serving() -> Iterator[Scripted]:
    """A running server."""
    script = Scripted()
    handler = type("Bound", (_Handler,), {"script": script})
    server = _Server(("127.0.0.1", 0), handler)
    script.url = f"http://127.0.0.1:{server.server_port}/v1"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield script
    finally:
        script.stop.set()
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128  # the default of 5 refuses connections of 24 at once

    def handle_error(self, *_: object) -> None:
        """A connection that a fault broke is no news."""


class _Handler(BaseHTTPRequestHandler):
    script: Scripted
    protocol_version = "HTTP/1.1"
    wbufsize = 65_536

    def log_message(self, *_: object) -> None:
        """Quiet."""

    def do_GET(self) -> None:
        names = {name.lower(): value for name, value in self.headers.items()}
        self.script.asked.append((self.path, names))
        self.script.hold()
        path = self.path.partition("?")[0]
        status, body = self.script.pages.get(path, (404, {"error": "no page"}))
        self._send(status, body, self.script.headers)

    def do_POST(self) -> None:
        size = int(self.headers["content-length"])
        request = json.loads(self.rfile.read(size))
        names = {name.lower(): value for name, value in self.headers.items()}
        self.script.posted.append((self.path, names))
        if self.script.canned is not None:
            self._send(*self.script.canned, self.script.headers)
            return
        reply = self.script.next_reply(request)
        fault = getattr(self, f"_{reply}", None) if isinstance(reply, str) else None
        if fault is not None:
            fault(request)
        elif isinstance(reply, str) and (refusal := _REFUSAL.fullmatch(reply)):
            said = refusal[2] or f"status {reply}"
            body = {"error": {"message": said, "type": "x", "code": None}}
            self._send(int(refusal[1]), body, self.script.headers)
        else:
            plain = {"role": "assistant", "content": reply}
            message = plain if isinstance(reply, str) else reply
            self._answer(request, message)

    def _answer(self, request: dict[str, Any], message: dict[str, Any]) -> None:
        if request.get("stream"):
            self._stream(request, message)
        else:
            self._send(200, self._whole(request, message), self.script.headers)

    def _whole(
        self, request: dict[str, Any], message: dict[str, Any]
    ) -> dict[str, Any]:
        reason = "tool_calls" if message.get("tool_calls") else "stop"
        reason = message.get("finish_reason", reason)
        choice = {"index": 0, "message": message, "finish_reason": reason}
        return {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            "model": request["model"],
            "choices": [choice],
            "usage": self.script.usage(request),
        }

    def _send(
        self, status: int, body: object, headers: Mapping[str, str] | None = None
    ) -> None:
        text = body if isinstance(body, str | bytes) else json.dumps(body)
        raw = text.encode() if isinstance(text, str) else text
        own = {"content-type": "application/json", "content-length": str(len(raw))}
        self.send_response(status)
        for name, value in {**own, **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(raw)
        self.wfile.flush()

    # Streams.

    def _stream(self, request: dict[str, Any], message: dict[str, Any]) -> None:
        self._open_stream()
        for delta in _deltas(message):
            self._event(self._chunk(request, delta))
        reason = "tool_calls" if message.get("tool_calls") else "stop"
        self._event(self._chunk(request, {}, reason))
        wanted = request.get("stream_options", {}).get("include_usage")
        if wanted and self.script.tells_usage:
            last = self._chunk(request, {})
            self._event({**last, "choices": [], "usage": self.script.usage(request)})
        self._event("[DONE]")
        self._close_stream()

    def _open_stream(self) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        for name, value in self.script.headers.items():
            self.send_header(name, value)
        self.end_headers()

    def _event(self, data: object) -> None:
        text = data if isinstance(data, str) else json.dumps(data)
        raw = f"data: {text}\n\n".encode()
        self.wfile.write(b"%x\r\n%s\r\n" % (len(raw), raw))
        self.wfile.flush()

    def _close_stream(self) -> None:
        self.wfile.write(b"0\r\n\r\n")
        self.wfile.flush()

    def _chunk(
        self, request: dict[str, Any], delta: object, reason: str | None = None
    ) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "finish_reason": reason}
        return {
            "id": "chatcmpl-1",
            "object": "chat.completion.chunk",
            "created": 1,
            "model": request["model"],
            "choices": [choice],
        }

    # Faults, by name.

    def _malformed(self, request: dict[str, Any]) -> None:
        self._send(200, '{"id": "chatcmpl-1", "choi')

    def _html(self, request: dict[str, Any]) -> None:
        self._send(200, "<html><body>Bad gateway</body></html>")

    def _empty(self, request: dict[str, Any]) -> None:
        self._answer(request, {"role": "assistant", "content": ""})

    def _no_choices(self, request: dict[str, Any]) -> None:
        whole = self._whole(request, {"role": "assistant", "content": "x"})
        self._send(200, {**whole, "choices": []})

    def _error_in_200(self, request: dict[str, Any]) -> None:
        self._send(200, {"error": {"message": "upstream failed", "code": 502}})

    def _broken(self, request: dict[str, Any]) -> None:
        """A stream, or a body, that ends in the middle."""
        if request.get("stream"):
            self._open_stream()
            self._event(self._chunk(request, {"role": "assistant", "content": "hal"}))
        else:
            self.wfile.write(b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{")
            self.wfile.flush()
        self.connection.shutdown(socket.SHUT_RDWR)
        self.close_connection = True

    def _error_in_stream(self, request: dict[str, Any]) -> None:
        self._open_stream()
        self._event(self._chunk(request, {"role": "assistant", "content": "hal"}))
        choice = {"index": 0, "delta": {"content": ""}, "finish_reason": "error"}
        error = {"message": "upstream failed", "code": 502}
        self._event({"id": "1", "error": error, "choices": [choice]})
        self._event("[DONE]")
        self._close_stream()

    def _reset(self, request: dict[str, Any]) -> None:
        linger = struct.pack("ii", 1, 0)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.connection.close()
        self.close_connection = True

    def _timeout(self, request: dict[str, Any]) -> None:
        self.script.stop.wait(HANGS_AFTER)
        self.close_connection = True


def _deltas(message: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A message in small pieces, as a provider streams it."""
    yield {"role": "assistant", "content": ""}
    text = message.get("content") or ""
    for start in range(0, len(text), 5):
        yield {"content": text[start : start + 5]}
    for index, call in enumerate(message.get("tool_calls") or ()):
        function = call["function"]
        head = {"name": function["name"], "arguments": ""}
        whole = {"index": index, "id": call["id"], "type": "function"}
        yield {"tool_calls": [{**whole, "function": head}]}
        arguments = function["arguments"]
        for start in range(0, len(arguments), 9):
            piece = {"arguments": arguments[start : start + 9]}
            yield {"tool_calls": [{"index": index, "function": piece}]}
