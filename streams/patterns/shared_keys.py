"""A person's key that is used in several places at once, minute after minute: somebody else has it, too.

Laws
1. A place is an address, with all addresses that a session or run of the key has come from: a pool of addresses, two
   protocols or a change of network are one place, and what was counted before that was known counts no more.
2. A minute of log time counts where two places or more were used in it; `minutes_at_once` such minutes within the last
   hour are told. Who changes from laptop to phone and back does not reach that, nor do many people behind one address.
3. Calls that name no user, no address, or neither session nor run are not judged: machines share keys, and an address
   alone proves nothing; nor does the first call of a session, for a client that begins one with each call could come
   from a pool. Nor are keys judged that policy says are meant to be shared.
"""

from collections import Counter
from zlib import crc32

from schemas.directory import UNATTRIBUTED
from streams.patterns.findings import Seen, add, see
from streams.patterns.in_force import matches
from streams.patterns.rows import Rows
from streams.patterns.state import Finding, KeyPlaces, PatternsState
from streams.ports import Output

MOST_ADDRESSES = 16
MOST_SESSIONS = 64
HOUR_MIN = 60
_MINUTE_US = 60_000_000


def take(state: PatternsState, rows: Rows) -> list[Output]:
    """Keys that are used in several places at once as of these rows."""
    policies = state.policies
    if policies is None or not rows.has("client_address_hash") or policies.governance.keys().isdisjoint(rows.orgs):
        return []
    users, words = rows.codes("user")
    known = rows.live & (users >= 0)
    if UNATTRIBUTED in words:
        known &= users != words.index(UNATTRIBUTED)
    outputs: list[Output] = []
    addresses, sessions, runs = (rows.texts(name) for name in ("client_address_hash", "session", "run"))
    minute = state.clock.lead_us // _MINUTE_US
    for (org, name), some in rows.groups("credential", within=known):
        rule = policies.governance.get(org)
        if rule is None or not rule.enabled or matches(name, rule.shared_keys):
            continue
        key = state.places.touched((org, name), KeyPlaces)
        begin(key, minute)
        for (session, address), calls in Counter((sessions[at] or runs[at], addresses[at]) for at in some).items():
            for _ in range(min(calls, 2)):  # the second proves what the first cannot; more say the same
                if session is not None and address is not None:
                    use(key, address=crc32(address.encode()), session=crc32(session.encode()))
        at_once = key.minutes.bit_count()
        if at_once < rule.minutes_at_once:
            if at_once:
                add(key.counted, rows, some)
            continue
        begun, key.counted = key.counted, Finding()
        sentence = (
            f"key {name} is used in several places at once, in {at_once} minutes of the last hour: {{calls}} since "
            "that began; give each who uses it a key, or name it in shared_keys"
        )
        numbers = {"minutes_at_once": str(at_once), "places": str(key.places()), "window_sec": str(HOUR_MIN * 60)}
        seen = Seen("shared_at_once", "places", (org, "credential", name), sentence, {}, numbers=numbers)
        outputs += see(state, rows, some, seen, begun=begun)
    return outputs


def begin(key: KeyPlaces, minute: int) -> None:
    """It is this minute now, or a later one already: bit n of `minutes` is the one n minutes ago."""
    passed = minute - key.minute
    if passed > 0:
        key.minutes = (key.minutes << passed) & ((1 << HOUR_MIN) - 1) if passed < HOUR_MIN else 0
        if not key.minutes:
            key.counted = Finding()
        key.minute = minute
        key.now = []


def use(key: KeyPlaces, *, address: int, session: int) -> None:
    """The session called from the address, in the minute of now."""
    place = key.addresses.pop(address, address)
    before = key.sessions.pop(session, None)
    other = place if before is None else key.addresses.get(before, place)
    key.addresses[address], key.sessions[session] = place, address
    if other != place:
        key.addresses = {one: other if held == place else held for one, held in key.addresses.items()}
        key.minutes, key.counted = 0, Finding()
    if before is not None and address not in key.now and len(key.now) < MOST_ADDRESSES:
        key.now.append(address)
    for held, most in ((key.addresses, MOST_ADDRESSES), (key.sessions, MOST_SESSIONS)):
        if len(held) > most:
            del held[next(iter(held))]
    if key.places() > 1:
        key.minutes |= 1
