"""LiteLLM's calls as events: a CustomLogger for its proxy and for its library.

In the proxy's config.yaml:          In a program:
    litellm_settings:                    litellm.callbacks = [BurnlineLogger()]
      callbacks: burnline_client.litellm_logger.logger

The environment says where events go (`burnline_client/environment.py`): BURNLINE_KAFKA_BOOTSTRAP_SERVERS, BURNLINE_ORG.
Nothing of ours is raised into LiteLLM, and no call waits: events are made in another thread.
Needs the package `litellm`.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from litellm.integrations.custom_logger import CustomLogger

from burnline_client.context import checked, current, joined
from burnline_client.environment import fingerprint_key, shared_emitter
from burnline_client.litellm_usage import READ_BACK, call_of
from burnline_client.outbox import Emitter, Outbox
from burnline_client.prompts import fingerprints
from burnline_client.values import name, nested

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from burnline_client.fields import UsageFields

_log = logging.getLogger("burnline_client")
_READ = (
    "id", "trace_id", "session_id", "litellm_call_id", "request_id", "call_type", "stream", "response_cost", "spend",
    "cost_breakdown", "status", "custom_llm_provider", "prompt_tokens", "completion_tokens", "total_tokens",
    "startTime", "endTime", "completionStartTime", "model", "model_group", "cache_hit", "request_tags", "end_user",
    "user_agent", "metadata", "agent_id", "mcp_namespaced_tool_name", "error_information", "model_parameters",
)  # fmt: skip
"""What is kept of a payload until it is told; texts of prompts and answers are not among it."""


class BurnlineLogger(CustomLogger):  # type: ignore[misc]  # litellm is not installed where this is checked
    """Tells an emitter of each call that LiteLLM logs; without one, the emitter that the environment describes.

    `fields` are fields of every event; what LiteLLM says of a call wins. `key` is the secret for fingerprints of
    prompts, else what BURNLINE_FINGERPRINT_KEY_FILE holds; where LiteLLM hides messages there are none.
    Raises: InvalidUsageError: a field, or the environment, cannot be used.
    """

    def __init__(
        self, emitter: Emitter | None = None, *, key: bytes | None = None, **fields: Unpack[UsageFields]
    ) -> None:
        super().__init__()
        self._key = key if key is not None else fingerprint_key()
        self._outbox = Outbox(emitter if emitter is not None else shared_emitter(), events_of=_events)
        self._fields = checked(dict(fields))

    def log_success_event(self, kwargs: Any, response_obj: Any, start_time: Any, end_time: Any) -> None:  # noqa: ANN401, ARG002  LiteLLM's signature
        """The call is told."""
        self._tell(kwargs)

    def log_failure_event(self, kwargs: Any, response_obj: Any, start_time: Any, end_time: Any) -> None:  # noqa: ANN401, ARG002  LiteLLM's signature
        """The call is told."""
        self._tell(kwargs)

    async def async_log_success_event(self, kwargs: Any, response_obj: Any, start_time: Any, end_time: Any) -> None:  # noqa: ANN401, ARG002  LiteLLM's signature
        """The call is told."""
        self._tell(kwargs)

    async def async_log_failure_event(self, kwargs: Any, response_obj: Any, start_time: Any, end_time: Any) -> None:  # noqa: ANN401, ARG002  LiteLLM's signature
        """The call is told."""
        self._tell(kwargs)

    def _tell(self, kwargs: Any) -> None:  # noqa: ANN401  LiteLLM's own
        try:
            payload = kwargs.get("standard_logging_object")
            if not isinstance(payload, dict) or name(payload.get("call_type")) in READ_BACK:
                return
            logged = _Logged(payload, joined(self._fields, current()), self._key)
            self._outbox.opened(logged, lambda: None)
            self._outbox.put(logged)
        except Exception:  # noqa: BLE001  a bug of ours must not fail the gateway's call
            _log.exception("a call of LiteLLM could not be told")


class _Logged:
    """A payload on its way, without what is not read of it; its messages stay only until their fingerprint is made."""

    held_bytes = 2048

    def __init__(self, payload: Mapping[str, Any], fields: Mapping[str, Any], key: bytes | None) -> None:
        self.key = key
        self.messages = payload.get("messages") if key else None
        self.payload = {field: payload[field] for field in _READ if field in payload}
        self.payload["metadata"] = copy.copy(nested(payload.get("metadata")))
        self.fields = fields
        self.started_at = datetime.now(timezone.utc)


def _events(logged: _Logged) -> list[dict[str, Any]]:
    call = call_of(logged.payload)
    fields = {"provider": "unknown", "model": "unknown", **joined(logged.fields, call.fields)}
    if call.id is not None:
        fields["id"] = call.id
    fields["time"] = call.time or logged.started_at
    return [{**fields, **fingerprints({"messages": logged.messages}, logged.key)}]


def __getattr__(wanted: str) -> Any:  # noqa: ANN401  a module's own names
    """`logger` is made when the proxy asks for it."""
    if wanted != "logger":
        raise AttributeError(wanted)
    found = BurnlineLogger()
    globals()["logger"] = found
    return found
