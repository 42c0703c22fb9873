"""A stub of the providers on loopback: it answers as they do, by the name of the model that is asked for."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

CHAT_USAGE = {
    "prompt_tokens": 100,
    "completion_tokens": 20,
    "total_tokens": 120,
    "prompt_tokens_details": {"cached_tokens": 64},
    "completion_tokens_details": {"reasoning_tokens": 5},
}
RESPONSE_USAGE = {
    "input_tokens": 75,
    "output_tokens": 30,
    "total_tokens": 105,
    "input_tokens_details": {"cached_tokens": 25},
    "output_tokens_details": {"reasoning_tokens": 10},
}
MESSAGE_USAGE = {
    "input_tokens": 40,
    "cache_read_input_tokens": 60,
    "cache_creation_input_tokens": 10,
    "cache_creation": {"ephemeral_5m_input_tokens": 10, "ephemeral_1h_input_tokens": 0},
    "output_tokens": 25,
    "service_tier": "standard",
}
WORDS = ["one ", "two ", "three ", "four "]


def _chunk(model: str, **more: Any) -> dict[str, Any]:
    return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": f"{model}-served", **more}


def _chat(model: str) -> dict[str, Any]:
    message = {"role": "assistant", "content": "the answer is a secret"}
    choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
    usage = {**CHAT_USAGE, "total_tokens": 999} if model == "disagree" else CHAT_USAGE
    body = _chunk(model, object="chat.completion", choices=choices, usage=usage, service_tier="default")
    return {name: held for name, held in body.items() if name != "usage"} if model == "silent" else body


def _chat_stream(model: str, *, with_usage: bool) -> Iterator[dict[str, Any]]:
    for word in WORDS:
        delta = {"role": "assistant", "content": word}
        yield _chunk(model, choices=[{"index": 0, "delta": delta, "finish_reason": None}])
    yield _chunk(model, choices=[{"index": 0, "delta": {}, "finish_reason": "stop"}])
    if with_usage:
        yield _chunk(model, choices=[], usage=CHAT_USAGE)


def _response(model: str, *, usage: dict[str, Any] | None) -> dict[str, Any]:
    content = [{"type": "output_text", "text": "the answer is a secret", "annotations": []}]
    item = {"type": "message", "id": "msg_1", "status": "completed", "role": "assistant", "content": content}
    return {
        "id": "resp_1", "object": "response", "created_at": 1, "model": f"{model}-served", "status": "completed",
        "output": [item], "usage": usage, "service_tier": "priority", "parallel_tool_calls": True,
        "tool_choice": "auto", "tools": [], "instructions": None, "metadata": {}, "temperature": 1.0, "top_p": 1.0,
        "error": None, "incomplete_details": None,
    }  # fmt: skip


def _response_stream(model: str) -> Iterator[dict[str, Any]]:
    yield {"type": "response.created", "sequence_number": 0, "response": _response(model, usage=None)}
    for number, word in enumerate(WORDS, start=1):
        place = {"item_id": "msg_1", "output_index": 0, "content_index": 0, "logprobs": []}
        yield {"type": "response.output_text.delta", "sequence_number": number, "delta": word, **place}
    yield {"type": "response.completed", "sequence_number": 9, "response": _response(model, usage=RESPONSE_USAGE)}


def _message(model: str, **usage: Any) -> dict[str, Any]:
    return {
        "id": "msg_1", "type": "message", "role": "assistant", "model": f"{model}-served", "stop_reason": "end_turn",
        "stop_sequence": None, "content": [{"type": "text", "text": "the answer is a secret"}],
        "usage": {**MESSAGE_USAGE, **usage},
    }  # fmt: skip


def _message_stream(model: str) -> Iterator[dict[str, Any]]:
    start = {**_message(model, output_tokens=1), "content": [], "stop_reason": None}
    yield {"type": "message_start", "message": start}
    yield {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
    for word in WORDS:
        yield {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": word}}
    yield {"type": "content_block_stop", "index": 0}
    delta = {"stop_reason": "end_turn", "stop_sequence": None}
    yield {"type": "message_delta", "delta": delta, "usage": {"output_tokens": 25}}
    yield {"type": "message_stop"}


class _Provider(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "Stub"

    def do_POST(self) -> None:
        """Answers by path and model."""
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.asked.append(asked)
        model = asked["model"]
        if model == "down" or (model == "flaky" and len(self.server.asked) == 1):
            self._answer(500, {"error": {"message": "the answer is a secret", "type": "server_error"}})
        elif model == "strict" and "stream_options" in asked:
            self._answer(400, {"error": {"message": "Unrecognized request argument supplied: stream_options"}})
        elif asked.get("stream"):
            self._stream(model, asked)
        elif self.path.endswith("/chat/completions"):
            self._answer(200, _chat(model))
        elif self.path.endswith("/responses"):
            self._answer(200, _response(model, usage=RESPONSE_USAGE))
        elif self.path.endswith("/embeddings"):
            vector = {"object": "embedding", "index": 0, "embedding": [0.5, 0.25]}
            usage = {"prompt_tokens": 8, "total_tokens": 8}
            self._answer(200, {"object": "list", "model": model, "data": [vector], "usage": usage})
        elif self.path.endswith("/messages/count_tokens"):
            self._answer(200, {"input_tokens": 3})
        else:
            self._answer(200, _message(model))

    def _stream(self, model: str, asked: dict[str, Any]) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream; charset=utf-8")
        self.send_header("connection", "close")
        self.end_headers()
        self.close_connection = True
        for number, event in enumerate(self._events(model, asked)):
            named = f"event: {event['type']}\n" if "type" in event else ""
            self.wfile.write(f"{named}data: {json.dumps(event)}\n\n".encode())
            self.wfile.flush()
            if model == "breaks" and number == 2:
                return
            if model == "hangs" and number == 2:
                self.server.may_go_on.wait(20)
        if self.path.endswith("/chat/completions"):
            self.wfile.write(b"data: [DONE]\n\n")

    def _events(self, model: str, asked: dict[str, Any]) -> Iterator[dict[str, Any]]:
        if self.path.endswith("/messages"):
            return _message_stream(model)
        if self.path.endswith("/responses"):
            return _response_stream(model)
        return _chat_stream(model, with_usage=(asked.get("stream_options") or {}).get("include_usage", False))

    def _answer(self, status: int, body: dict[str, Any]) -> None:
        raw = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *_: Any) -> None:
        """Says nothing."""


class Stub(ThreadingHTTPServer):
    """The running stub; `asked` are the bodies of the requests that it got."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Provider)
        self.asked: list[dict[str, Any]] = []
        self.may_go_on = threading.Event()
        self.url = f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, *_: Any) -> None:
        """A caller that hangs up is what the tests do."""


@contextmanager
def running_stub() -> Iterator[Stub]:
    """A stub that answers as long as the block lasts."""
    with Stub() as stub:
        thread = threading.Thread(target=stub.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield stub
        finally:
            stub.may_go_on.set()
            stub.shutdown()
            thread.join()
