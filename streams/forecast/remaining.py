"""What will still be spent up to a time, as one distribution: the prior, and what followed moments like this. Pure."""

from dataclasses import dataclass, field

from streams.forecast.analogs import AnalogRule, analog_samples
from streams.forecast.history import Past
from streams.forecast.prior import PriorRule, prior_samples, usual_rate
from streams.forecast.samples import Samples
from streams.forecast.shape import ShapeRule


@dataclass(frozen=True, slots=True, kw_only=True)
class ForecastRule:
    """Every constant of the forecast."""

    shape: ShapeRule = field(default_factory=ShapeRule)
    prior: PriorRule = field(default_factory=PriorRule)
    analogs: AnalogRule = field(default_factory=AnalogRule)


def remaining(past: Past, *, begin: float, end: float, rule: ForecastRule) -> Samples:
    """What may be spent between two positions, both at or after the end of the past, `begin` before `end`.

    The past holds spend in at least one bucket.
    """
    horizon, expected = end - begin, past.shape_between(begin, end)
    found = prior_samples(past, horizon=horizon, expected_buckets=expected, rule=rule.prior)
    rate, _ = usual_rate(past, rule.prior)
    analogs = analog_samples(past, rate=rate, horizon=horizon, expected_buckets=expected, rule=rule.analogs)
    return found if analogs is None else found + analogs
