"""What the notifier says of each delivery, and what operators ask of it: records of `internal.deliveries`.

Nobody's contract; the view `deliveries` is.
"""

from typing import Literal

from pydantic import BaseModel, Field

from schemas.signals import Signal, Time

DELIVERY_TYPE = "burnline.delivery.v1"
RESEND_TYPE = "burnline.resend.v1"
TOPIC = "internal.deliveries"


class DeliveryStatus(Signal):
    """How one transition of one alert stands with one route."""

    delivery_id: str = Field(description="alert_id/seq/route")
    org: str
    route: str
    destination: str
    alert_id: str
    seq: int
    topic: str
    partition: int
    offset: int
    status: Literal["waiting", "delivered", "parked"]
    attempts: int
    reason: str = Field(description="why it is not delivered; never holds a secret")
    at: Time
    request_id: str = Field("", description="who asked for it again; '' the first time")


class Resend(Signal):
    """An operator asks for a delivery once more; the alert stands at the place."""

    request_id: str
    delivery_id: str
    org: str
    route: str
    topic: str
    partition: int
    offset: int
    actor: str
    at: Time


class Said(BaseModel):
    """The envelope of a status."""

    type: Literal["burnline.delivery.v1"] = "burnline.delivery.v1"
    data: DeliveryStatus


class Asked(BaseModel):
    """The envelope of a request."""

    type: Literal["burnline.resend.v1"] = "burnline.resend.v1"
    data: Resend


def delivery_id(alert_id: str, seq: int, route_id: str) -> str:
    """The name of a delivery: one transition, one route. An org's alert never meets another org's route."""
    return f"{alert_id}/{seq}/{route_id}"
