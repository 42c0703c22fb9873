"""Everything that burn knows about one partition of `internal.deltas`; a pure function of its log up to one offset."""

from dataclasses import dataclass, field

import msgspec

from streams.burn import period_table, shared_credential
from streams.burn.clock import Clock
from streams.burn.days import Days, new_days
from streams.burn.episodes import EpisodeBytes, Episodes
from streams.burn.hours import Hours, new_hours
from streams.burn.in_force import InForceHere
from streams.burn.limits import Plan
from streams.burn.period_table import Periods
from streams.burn.rings import COLUMNS
from streams.burn.shapes import Folding, Peers, Shapes, new_peers, new_shapes
from streams.burn.shared_credential import Credentials
from streams.burn.spenders import Watch, WatchBytes
from streams.burn.table import Column, Table

EntityKey = tuple[str, str, str]
"""org, entity type, entity id."""
MemberKey = tuple[str, str, str]
"""org, budget id, member ('' where there is none)."""

BROUGHT_US = 52 * 3_600_000_000
"""Two days and two cells of windows: after that no bridge of an alert reaches back before an opening (raising.py)."""
UNJUDGED = 1
"""A live row came since the windows of a budget's member were last judged."""
UNSAID = 2
"""A row came since the windows were last published."""


class Ahead(msgspec.Struct, array_like=True, frozen=True, order=True):
    """A row whose bucket begins after the lead: it waits, so that windows never hold what is still to come."""

    bucket: int
    table: str  # entities or members
    key: tuple[str, str, str]
    live: bool
    requests: int
    tokens: int
    micro: int
    pico: int


class Unpriced(msgspec.Struct, array_like=True):
    """A model whose live requests have no known price, since its finding opened (unpriced.py)."""

    org: str
    model: str
    requests: int = 0
    ceiling_micro: int = 0
    ceiling_pico: int = 0
    newest_us: int = 0  # log time of the newest such request


class Done(msgspec.Struct):
    """Up to which log time each periodic work was done; microseconds since 1970."""

    judged_us: int = 0
    said_us: int = 0  # rates
    states_us: int = 0  # states of budgets
    resolved_us: int = 0
    swept_us: int = 0
    limits_us: int = 0  # up to where increases of budgets were looked at


def new_entities() -> Table[EntityKey]:
    """No entity has burnt anything."""
    spec = {
        **COLUMNS,
        "org_slot": Column("int32"),  # the row of the org as an entity
        "flags": Column("uint8"),
        "said": Column("uint8"),  # which windows were last published above zero, one bit each
        "said_us": Column("int64"),
    }
    return Table(spec, page_rows=128)


def new_members() -> Table[MemberKey]:
    """No budget's windows hold anything."""
    return Table({**COLUMNS, "flags": Column("uint8")}, page_rows=128)


class Cross(msgspec.Struct):
    """What is not in a table: written with the head of a checkpoint."""

    clock: Clock
    policy_offset: int
    done: Done
    ahead: list[Ahead]
    episodes: list[EpisodeBytes]
    opened: int = -1  # a checkpoint of before budgets were opened from the ledger has none
    unpriced: list[Unpriced] = msgspec.field(default_factory=list)
    brought: list[tuple[MemberKey, int]] = msgspec.field(default_factory=list)
    watch: WatchBytes = msgspec.field(default_factory=WatchBytes)
    folding: Folding = msgspec.field(default_factory=Folding)


@dataclass(slots=True)
class BurnState:
    """The state of one partition. `policies` are those at `policy_offset`; None until the policy log was asked.

    Budgets whose `matched_since` is up to `opened` hold what the ledger knew before them; the others count, unjudged.
    """

    clock: Clock = field(default_factory=Clock)
    policy_offset: int = -1
    policies: InForceHere | None = None
    opened: int = -1
    done: Done = field(default_factory=Done)
    ahead: list[Ahead] = field(default_factory=list)
    episodes: Episodes = field(default_factory=Episodes)
    unpriced: dict[tuple[str, str], Unpriced] = field(default_factory=dict)  # by org and model
    brought: dict[MemberKey, int] = field(default_factory=dict)
    """What an opening brought something to within `BROUGHT_US`, and when: windows do not hold what came before it."""
    entities: Table[EntityKey] = field(default_factory=new_entities)
    members: Table[MemberKey] = field(default_factory=new_members)
    periods: Periods = field(default_factory=period_table.new_table)
    credentials: Credentials = field(default_factory=shared_credential.new_table)
    days: Days = field(default_factory=new_days)
    hours: Hours = field(default_factory=new_hours)
    watch: Watch = field(default_factory=Watch)
    shapes: Shapes = field(default_factory=new_shapes)
    peers: Peers = field(default_factory=new_peers)
    folding: Folding = field(default_factory=Folding)

    def is_open(self, plan: Plan) -> bool:
        """Whether the budget holds what it had spent before rating knew it, so that it can be judged."""
        return plan.matched_since <= self.judged_up_to()

    def judged_up_to(self) -> int:
        """Budgets whose `matched_since` is up to here are judged."""
        return self.opened

    def tables(self) -> dict[str, Table]:  # type: ignore[type-arg]  # each has its own key type
        """The tables by name, in the order in which they are written."""
        return {
            "entities": self.entities,
            "members": self.members,
            "periods": self.periods,
            "credentials": self.credentials,
            "days": self.days,
            "hours": self.hours,
            "spenders": self.watch.spenders,
            "parents": self.watch.parents,
            "shapes": self.shapes,
            "peers": self.peers,
        }

    def cross(self) -> bytes:
        """Everything but the tables, as bytes that depend on nothing but the state."""
        clock = Clock(
            self.clock.lanes, dict(sorted(self.clock.times_us.items())), self.clock.lead_us, self.clock.floor_us
        )
        held = self.episodes.to_state()
        unpriced = [one for _, one in sorted(self.unpriced.items())]
        brought = sorted(self.brought.items())
        cross = Cross(
            clock, self.policy_offset, self.done, sorted(self.ahead), held, self.opened, unpriced, brought,
            self.watch.to_bytes(), self.folding,
        )  # fmt: skip
        return msgspec.msgpack.encode(cross)

    def take_cross(self, raw: bytes) -> None:
        """Everything but the tables is what the bytes say. Raises: msgspec.MsgspecError: they say nothing."""
        found = msgspec.msgpack.decode(raw, type=Cross)
        self.clock, self.policy_offset, self.done = found.clock, found.policy_offset, found.done
        self.ahead, self.opened = found.ahead, found.opened
        self.episodes.from_state(found.episodes)
        self.unpriced = {(one.org, one.model): one for one in found.unpriced}
        self.brought = dict(found.brought)
        self.watch.from_bytes(found.watch)
        self.folding = found.folding
        self.policies = None
