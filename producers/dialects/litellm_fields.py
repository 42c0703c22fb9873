"""Who called through LiteLLM, for what, and with which labels. Pure.

StandardLoggingPayload says identities in `metadata.user_api_key_*`; SpendLogs says them in columns of its own.
"""

from typing import Any

import msgspec

from producers.dialects.values import Json, key_id, known_fields, label, name, unknown_keys

_KEY = "user_api_key_"
WORK = (
    "run", "session", "task", "task_class", "task_template", "use_case", "purpose", "spend_class", "pool", "agent",
    "service", "environment", "language",
)  # fmt: skip
"""Fields about the work that a caller may put into the metadata of its request, under the names of the contract."""
_USAGE = frozenset({
    "prompt_tokens", "completion_tokens", "total_tokens", "prompt_tokens_details", "completion_tokens_details",
    "input_tokens", "output_tokens", "input_tokens_details", "output_tokens_details", "cache_read_input_tokens",
    "cache_creation_input_tokens", "server_tool_use", "service_tier", "inference_geo", "speed", "cost", "cost_details",
    "is_byok", "prompt_cache_hit_tokens", "prompt_cache_miss_tokens", "output_image_count", "iterations",
})  # fmt: skip


def nested(value: object) -> dict[str, Any]:
    """An object, or the text of one, as SpendLogs stores it; empty for anything else."""
    if isinstance(value, str):
        try:
            value = msgspec.json.decode(value)
        except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
            return {}
    return value if isinstance(value, dict) else {}


def identities(payload: Json, metadata: Json) -> dict[str, Any]:
    """What the key is bound to, as authenticated; what the caller claimed, as asserted."""
    credential = key_id(metadata.get(f"{_KEY}hash")) or key_id(payload.get("api_key"))
    bound = known_fields(
        org=name(metadata.get(f"{_KEY}org_id")) or name(payload.get("organization_id")),
        team=name(metadata.get(f"{_KEY}team_id")) or name(payload.get("team_id")),
        project=name(metadata.get(f"{_KEY}project_id")),
        user=name(metadata.get(f"{_KEY}user_id")) or name(payload.get("user")),
        agent=name(payload.get("agent_id")),
        credential=credential,
    )
    said = known_fields(
        end_user=name(payload.get("end_user")) or name(metadata.get(f"{_KEY}end_user_id")),
        request_tags=_listed(payload.get("request_tags")),
    )
    return known_fields(
        **bound,
        auth_type="api_key" if credential else None,
        identity_trust="authenticated" if credential else "asserted" if bound else None,
        asserted=said or None,
        user_agent=_short(payload.get("user_agent") or metadata.get("user_agent")),
    )


def work_of(payload: Json, metadata: Json) -> dict[str, str]:
    """The run, the session, and what the caller said of the work in its request's metadata."""
    said: dict[str, Any] = {}
    for source in ("requester_metadata", "spend_logs_metadata"):
        holder = nested(metadata.get(source))
        said |= {field: held for field in WORK if (held := label(holder.get(field))) is not None}
    if name(payload.get("agent_id")) is not None:
        said.pop("agent", None)
    return known_fields(run=name(payload.get("trace_id")), session=name(payload.get("session_id"))) | said


def tags_of(payload: Json, metadata: Json, usage: Json | None) -> dict[str, str]:
    """The readable names of the key's owner, and what of the usage nobody here knows."""
    kinds = ("alias", "team_alias", "org_alias", "project_alias")
    aliases = {f"key_{kind}": name(metadata.get(f"{_KEY}{kind}")) for kind in kinds}
    unknown = unknown_keys(usage or {}, _USAGE, "usage_object.")
    tool = name(payload.get("mcp_namespaced_tool_name"))
    return known_fields(**aliases, unknown_usage=unknown, mcp_tool=tool)


def _listed(value: object) -> str | None:
    """Request tags as one text; SpendLogs stores the list as JSON."""
    if isinstance(value, str):
        value = nested(f'{{"tags":{value}}}').get("tags")
    words = [word for one in value if (word := label(one)) is not None] if isinstance(value, list) else []
    return ",".join(words)[:1024] or None


def _short(value: object) -> str | None:
    return name(value[:256]) if isinstance(value, str) else None
