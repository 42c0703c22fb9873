"""The checked-in contract is the one that the models say: JSON Schemas, and an example of each message."""

import json
from pathlib import Path

import msgspec
import pytest
from pydantic import BaseModel

from schemas.charges import ChargeEvent
from schemas.deliveries import Said
from schemas.generate import FOLDER, MODELS, schema_text
from schemas.internal import BatchHeaders
from schemas.outcomes import OutcomeEvent
from schemas.policies import PolicyChange
from schemas.progress import Progress
from schemas.signals import CloudSignal
from schemas.usage import UsageEvent

EXAMPLES = Path(FOLDER).parent / "examples"
SPECIAL: dict[str, type[BaseModel]] = {
    "burnline.usage.v1": UsageEvent,
    "burnline.charge.v1": ChargeEvent,
    "burnline.outcome.v1": OutcomeEvent,
    "burnline.policy.v1": PolicyChange,
    "burnline.delivery.v1": Said,
}
INTERNAL = {"burnline.progress": Progress, "burnline.batch_header": BatchHeaders}


@pytest.mark.parametrize("name", sorted(MODELS))
def test_json_schema_is_generated_from_the_model(name: str) -> None:
    """A change of a model that is not in the checked-in schema is seen; `make schemas` writes it."""
    assert (FOLDER / f"{name}.json").read_text() == schema_text(MODELS[name])


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.json")), ids=lambda path: path.stem)
def test_example_is_read_and_written_back_unchanged(path: Path) -> None:
    """Every golden message survives a round trip through its model, field by field."""
    raw = path.read_text()
    if path.stem in INTERNAL:
        assert json.loads(raw) == msgspec.to_builtins(msgspec.json.decode(raw, type=INTERNAL[path.stem], strict=True))
        return
    model = SPECIAL.get(path.stem, CloudSignal).model_validate_json(raw)
    expected = json.loads(raw)
    actual = json.loads(model.model_dump_json(exclude_unset=True))
    assert expected == actual
