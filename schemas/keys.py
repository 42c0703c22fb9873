"""Which partition a key belongs to: murmur2 as Kafka's Java client and librdkafka's `murmur2_random` compute it."""

_M = 0x5BD1E995
_MASK = 0xFFFFFFFF


def murmur2(data: bytes) -> int:
    """The 32-bit murmur2 hash with Kafka's seed. Source: org.apache.kafka.common.utils.Utils.murmur2."""
    h = (0x9747B28C ^ len(data)) & _MASK
    whole = len(data) & ~3
    for i in range(0, whole, 4):
        k = (int.from_bytes(data[i : i + 4], "little") * _M) & _MASK
        k = ((k ^ (k >> 24)) * _M) & _MASK
        h = ((h * _M) & _MASK) ^ k
    rest = data[whole:]
    if rest:
        h ^= int.from_bytes(rest, "little")
        h = (h * _M) & _MASK
    h = ((h ^ (h >> 13)) * _M) & _MASK
    return h ^ (h >> 15)


def partition_for(key: bytes, partitions: int) -> int:
    """The partition of a key among `partitions`, as every producer of ours chooses it."""
    return (murmur2(key) & 0x7FFFFFFF) % partitions


def event_key(*, org: str, team: str | None, credential: str | None) -> bytes:
    """The record key of a usage event: its credential, else its team, else its org."""
    return (credential or team or org).encode()
