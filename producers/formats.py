"""Every format that `burnline replay` reads, by name."""

from producers import azure_llm, burnline_lines, charges_file, outcomes_file
from producers.dialect import Dialect
from producers.dialects import (
    anthropic,
    bedrock,
    claude_code,
    codex,
    cohere,
    gemini,
    litellm,
    mooncake,
    openai,
    openmeter,
    otel,
)
from producers.outcome_dialects import feedback, github, gitlab, sarif
from producers.servegen import requests as servegen
from schemas.errors import InputError

_DIALECTS = (
    burnline_lines, azure_llm, openai, anthropic, gemini, bedrock, cohere, litellm, openmeter, otel, claude_code, codex,
    mooncake, servegen, charges_file, outcomes_file, github, gitlab, sarif, feedback,
)  # fmt: skip

FORMATS: dict[str, Dialect] = {module.DIALECT.name: module.DIALECT for module in _DIALECTS}


def dialect(name: str) -> Dialect:
    """The dialect of that name.

    Raises: InputError: there is none; the message lists them.
    """
    if name not in FORMATS:
        raise InputError(f"format {name!r} is not known; known are {', '.join(sorted(FORMATS))}")
    return FORMATS[name]
