"""Which driver of the bridge a part of a call is: each token leaf, the call itself, each unit beside tokens. Pure."""

from schemas.usage import INPUT_LEAVES, OUTPUT_LEAVES
from streams.rating.prices import PARTS

CALL = PARTS[-1]
REASONING = "output_reasoning_tokens"
_OTHER_MEDIA = frozenset({"input_audio_tokens", "input_image_tokens"})
CACHE_PARTS = frozenset(INPUT_LEAVES) - _OTHER_MEDIA
"""Input that a cache may hold or not: how it is shared among these is `cache`, how much it is `input_length`."""


def driver_of_part(part: str) -> str:
    """The driver that a change of this part per call is, of all parts but CACHE_PARTS."""
    if part in _OTHER_MEDIA:
        return "input_length"
    if part == REASONING:
        return "reasoning"
    return "output_length" if part in OUTPUT_LEAVES else "beside_tokens"
