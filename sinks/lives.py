"""One life of the sink after the other, as ClickHouse knows them: a repair of an earlier life changes nothing.

Kafka fences who writes there. A sink that was stopped in the middle of a repair and goes on after another took over
asks Kafka nothing; its statement would run beside the other's inserts, which corrupts rollups. So every repair carries
its life and does nothing unless that is the last one (`rollups.repair_sql`), and who takes over ends what still runs.
"""

from uuid import uuid4

from schemas.errors import FencedError
from sinks.rollups import LAST_LIFE
from sinks.store import Store


def take_over(store: Store) -> None:
    """The store's statements are those of a new life; repairs of earlier ones have ended, or will do nothing.

    Raises: StoreUnavailableError: do it again.
    """
    life_id = uuid4().hex
    sql = (
        "INSERT INTO sink_lives_store (life, life_id, at)"
        " SELECT max(l.life) + 1, {life:String}, now64(6) FROM sink_lives_store AS l"
    )
    store.run(sql, {"life": life_id})
    store.life_id = life_id
    store.quiet()


def assure_last(store: Store) -> None:
    """This is the last life. Raises: FencedError: it is not. StoreUnavailableError."""
    [(last,)] = store.rows(f"SELECT {LAST_LIFE}")
    if last != store.life_id:
        raise FencedError("another sink has taken over")
