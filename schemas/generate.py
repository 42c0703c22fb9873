"""Writes the JSON Schemas in `schemas/json/` from the pydantic models: `python -m schemas.generate`."""

import json
from pathlib import Path

from pydantic import BaseModel

from schemas.charges import ChargeEvent
from schemas.outcomes import OutcomeEvent
from schemas.policies import PolicyChange
from schemas.signals import Advice, Alert, BudgetStates, CloudSignal, DeadLetter, Rates
from schemas.usage import UsageEvent

MODELS: dict[str, type[BaseModel]] = {
    "burnline.usage.v1": UsageEvent,
    "burnline.charge.v1": ChargeEvent,
    "burnline.outcome.v1": OutcomeEvent,
    "burnline.alert.v1": Alert,
    "burnline.advice.v1": Advice,
    "burnline.rates.v1": Rates,
    "burnline.budget_states.v1": BudgetStates,
    "burnline.dead_letter.v1": DeadLetter,
    "burnline.policy.v1": PolicyChange,
    "burnline.signal": CloudSignal,
}
FOLDER = Path(__file__).parent / "json"


def schema_text(model: type[BaseModel]) -> str:
    """The JSON Schema of a model as it stands in the repository."""
    return json.dumps(model.model_json_schema(mode="validation"), indent=2, ensure_ascii=False) + "\n"


def main() -> None:
    """All schema files are as the models say."""
    FOLDER.mkdir(exist_ok=True)
    for name, model in MODELS.items():
        (FOLDER / f"{name}.json").write_text(schema_text(model))


if __name__ == "__main__":
    main()
