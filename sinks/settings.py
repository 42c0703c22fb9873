"""How the sink gathers its inserts, and when it reconciles; read from `BURNLINE_SINK_*`."""

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

LEAST_LEDGER_DAYS = 400
"""More than the year of the longest calendar period, which a new budget sums up."""


class SinkSettings(BaseSettings):
    """How many rows an insert has and how long it waits for them, and when nightly work is due."""

    model_config = SettingsConfigDict(env_prefix="BURNLINE_SINK_", frozen=True)

    group_rows: int = Field(50_000, ge=1, le=100_000, description="rows after which a group is inserted")
    group_bytes: int = Field(64 * 2**20, ge=1, le=2**30, description="Arrow bytes after which a group is inserted")
    group_wait_ms: int = Field(500, ge=1, le=60_000, description="longest wait of a row for its group")
    signal_wait_ms: int = Field(200, ge=1, le=60_000, description="longest wait of a signal for its insert")
    reconcile_hour: int = Field(
        3, ge=-1, le=23, description="hour of UTC at which what was touched is compared and repaired; -1: never"
    )
    value_hour: int = Field(
        4, ge=-1, le=23, description="hour of UTC at which it is judged what spending was worth; -1: never"
    )
    ledger_days: int = Field(
        0,
        ge=0,
        description="days that the ledger keeps a month after its newest row was received, 400 at least; 0: for ever",
    )
    log_level: str = Field("INFO", pattern=r"^(DEBUG|INFO|WARNING|ERROR)$")

    @field_validator("ledger_days")
    @classmethod
    def _outlives_budgets(cls, days: int) -> int:
        """Budgets of a year are opened from the ledger, and late copies and corrections are looked up in it."""
        if 0 < days < LEAST_LEDGER_DAYS:
            raise ValueError(f"at least {LEAST_LEDGER_DAYS}, or 0 for ever")
        return days
