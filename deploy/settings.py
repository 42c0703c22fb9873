"""How the local stack watches over its processes; read from `BURNLINE_WATCHDOG_*`."""

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from schemas.errors import SettingsError


class WatchdogSettings(BaseSettings):
    """When a process that lives counts as hung."""

    model_config = SettingsConfigDict(env_prefix="BURNLINE_WATCHDOG_", frozen=True)

    hang_sec: float = Field(20.0, ge=10, description="so long without a sign of life, then it is killed and restarted")
    look_sec: float = Field(2.0, ge=0.2, description="between two looks")


def read_watchdog_settings() -> WatchdogSettings:
    """The settings of this process. Raises: SettingsError: one cannot be used; the message names it."""
    try:
        return WatchdogSettings()
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        setting = f"BURNLINE_WATCHDOG_{str(first['loc'][0]).upper()}"
        raise SettingsError(f"{setting}={first['input']}: {first['msg']}") from None
