"""LiteLLM's proxy does as Burnline advises: a run that goes round is refused its next call, before it costs anything.

In the proxy's config.yaml:
    litellm_settings:
      callbacks: burnline_client.litellm_advice.hook

The environment says where advice is read (BURNLINE_KAFKA_*, as `burnline as subscribers` prints it) and whose runs
these are (BURNLINE_ORG). BURNLINE_ADVICE=log only logs what it would refuse. Fail-open: whatever goes wrong here, the
call goes on. A run is LiteLLM's trace id. Needs the package `litellm`.
Source: https://docs.litellm.ai/docs/proxy/call_hooks (2026-11-22)
"""

from __future__ import annotations

import logging
from typing import Any, Protocol

from litellm.integrations.custom_logger import CustomLogger

from burnline_client.advice import Advice, AdviceReader
from burnline_client.environment import advice_settings
from burnline_client.errors import RunStoppedError
from burnline_client.values import name, nested

_log = logging.getLogger("burnline_client")


class Adviser(Protocol):
    """Knows what is advised about a run."""

    def about(self, org: str, run: str) -> Advice | None:
        """The advice that holds now; None: continue."""
        ...


class BurnlineAdvice(CustomLogger):  # type: ignore[misc]  # litellm is not installed where this is checked
    """Refuses calls of runs that Burnline advises to stop; with `refuses=False` it only logs them."""

    def __init__(self, adviser: Adviser, *, org: str, refuses: bool = True) -> None:
        super().__init__()
        self._adviser, self._org, self._refuses = adviser, org, refuses

    async def async_pre_call_hook(self, user_api_key_dict: Any, cache: Any, data: Any, call_type: Any) -> Any:  # noqa: ANN401, ARG002  LiteLLM's signature
        """The call as it came. Raises: RunStoppedError: its run is advised to stop."""
        said = self._about(data)
        if said is None:
            return data
        _log.warning("%s is advised: %s", said.advice, said.message)
        if said.advice == "stop" and self._refuses:
            raise RunStoppedError(said.message)
        return data

    def _about(self, data: Any) -> Advice | None:  # noqa: ANN401  LiteLLM's own
        try:
            run = run_of(data)
            return None if run is None else self._adviser.about(self._org, run)
        except Exception:  # noqa: BLE001  a bug of ours must not fail the gateway's call
            _log.exception("advice could not be looked up; the call goes on")
            return None


def run_of(data: Any) -> str | None:  # noqa: ANN401  LiteLLM's own
    """The run of a request, as the events of the same call will name it; None where it says none."""
    if not isinstance(data, dict):
        return None
    metadata, other = nested(data.get("metadata")), nested(data.get("litellm_metadata"))
    said = (data.get("litellm_trace_id"), metadata.get("trace_id"), other.get("trace_id"))
    return next((found for one in said if (found := name(one)) is not None), None)


def __getattr__(wanted: str) -> Any:  # noqa: ANN401  a module's own names
    """`hook` is made when the proxy asks for it."""
    if wanted != "hook":
        raise AttributeError(wanted)
    found = BurnlineAdvice(AdviceReader(), **advice_settings())
    globals()["hook"] = found
    return found
