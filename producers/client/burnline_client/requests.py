"""Which requests are calls of a model, by whom they are answered, and what they ask. Pure."""

from __future__ import annotations

import re
from typing import Any

import msgspec

_OPERATIONS = {
    "/chat/completions": ("openai", "chat"),
    "/completions": ("openai", "text_completion"),
    "/responses": ("openai", "chat"),
    "/responses/compact": ("openai", "chat"),
    "/embeddings": ("openai", "embeddings"),
    "/images/generations": ("openai", "image_generation"),
    "/images/edits": ("openai", "image_generation"),
    "/audio/transcriptions": ("openai", "transcription"),
    "/audio/translations": ("openai", "transcription"),
    "/audio/speech": ("openai", "speech"),
    "/messages": ("anthropic", "chat"),
}
"""The end of a path, the shape of the answer's usage, and the operation. What is free (counting tokens, moderation,
models) or only fetches what was counted before is not here, nor are batches: their results are replayed."""
_VERTEX = re.compile(r"/publishers/anthropic/models/[^/]+:(?:raw|streamRaw)Predict\Z")
_BEDROCK = re.compile(r"/model/([^/]*anthropic[^/]*)/invoke\Z")
_HOSTS = {
    "api.openai.com": "openai", "api.anthropic.com": "anthropic", "openrouter.ai": "openrouter",
    "api.groq.com": "groq", "api.mistral.ai": "mistral", "api.deepseek.com": "deepseek", "api.x.ai": "x-ai",
    "api.together.xyz": "together", "api.fireworks.ai": "fireworks", "api.perplexity.ai": "perplexity",
    "api.cerebras.ai": "cerebras", "generativelanguage.googleapis.com": "google",
}  # fmt: skip
_DOMAINS = {
    ".openai.azure.com": "azure", ".services.ai.azure.com": "azure", ".amazonaws.com": "aws",
    ".googleapis.com": "google", ".api.openai.com": "openai",
}  # fmt: skip
_LIVES_IN = re.compile(r"(eu|us)\.api\.openai\.com\Z")


def kind_of(method: str, path: str) -> tuple[str, str] | None:
    """The shape of the usage and the operation; None where the request is no call that costs tokens."""
    if method != "POST":
        return None
    if _VERTEX.search(path) or _BEDROCK.search(path):
        return "anthropic", "chat"
    parts = path.rstrip("/").rsplit("/", 2)
    return _OPERATIONS.get("/" + "/".join(parts[-2:])) or _OPERATIONS.get("/" + parts[-1])


def provider_of(host: str, shape: str) -> str:
    """Who answers at this host; the owner of the shape where nobody knows it."""
    known = _HOSTS.get(host)
    return known or next((who for domain, who in _DOMAINS.items() if host.endswith(domain)), shape)


def inference_region_of(host: str) -> str | None:
    """Where the host promises to compute, which changes prices."""
    found = _LIVES_IN.match(host)
    return found.group(1) if found else None


def model_in_path(path: str) -> str | None:
    """The model that a path names, as Bedrock's and Vertex's do."""
    found = _BEDROCK.search(path) or re.search(r"/models/([^/:]+):", path)
    return found.group(1) if found else None


class _Streaming(msgspec.Struct):
    stream: Any = None
    stream_options: Any = None


def asking_for_usage(body: bytes) -> bytes | None:
    """The same request, asking for usage at the end of its stream; None where it streams not, or says so itself."""
    end = body.rstrip()
    if b'"stream"' not in end or not end.endswith(b"}"):
        return None
    try:
        asked = msgspec.json.decode(end, type=_Streaming)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    if asked.stream is not True:
        return None
    if b'"stream_options"' not in end:
        return end[:-1] + b',"stream_options":{"include_usage":true}}'
    options = asked.stream_options or {}
    if not isinstance(options, dict) or "include_usage" in options:
        return None
    parts = msgspec.json.decode(end, type=dict[str, msgspec.Raw])
    parts["stream_options"] = msgspec.Raw(msgspec.json.encode({**options, "include_usage": True}))
    return msgspec.json.encode(parts)
