"""The spool of a running emitter: its files, and the thread that sends what they hold."""

from __future__ import annotations

import itertools
import logging
import threading
import time as clock

from burnline_client.deliveries import Deliveries
from burnline_client.errors import SpoolFullError
from burnline_client.spool import Spool, Sync
from burnline_client.spool_disk import SpoolFolder
from burnline_client.spool_frames import Record
from burnline_client.spool_sender import Sender, Wire

_log = logging.getLogger("burnline_client")
_STEP_SEC = 0.2
_LOOK_SEC = 0.01


class SpoolThread:
    """Takes events onto disk and sends them, until `stop`."""

    def __init__(  # noqa: PLR0913  settings of one thing, all by name
        self,
        folder: SpoolFolder,
        *,
        topic: str,
        max_bytes: int,
        sync: Sync,
        wire: Wire,
        deliveries: Deliveries,
    ) -> None:
        count = itertools.count()
        self.spool = Spool(
            folder,
            topic=topic,
            max_bytes=max_bytes,
            sync=sync,
            name_of_next=lambda: f"{clock.time_ns() // 1_000_000:013d}-{next(count):06d}",
        )
        self._dir = folder.path
        self._deliveries = deliveries
        self._sender = Sender(self.spool, wire, deliveries)
        self._wake = threading.Event()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="burnline-client-spool", daemon=True)
        self._thread.start()

    def keep(self, record: Record) -> bool:
        """Whether the event is on disk and will be sent; when not, why not is noted."""
        try:
            self.spool.append(record)
        except SpoolFullError as error:
            self._deliveries.note_disk_trouble(str(error))
            return False
        except OSError as error:
            self._deliveries.note_disk_trouble(error.strerror or str(error))
            return False
        self._deliveries.note_spooled()
        self._wake.set()
        return True

    def wait_idle(self, timeout_sec: float) -> None:
        """All that is on disk is delivered, or the time is over."""
        end = clock.monotonic() + timeout_sec
        self._wake.set()
        while not self._sender.idle and clock.monotonic() < end:
            self._stopped.wait(_LOOK_SEC)

    def stop(self) -> None:
        """Nothing more is sent from disk."""
        self._stopped.set()
        self._wake.set()
        self._thread.join()

    def close(self) -> None:
        """The files are let go; what is in them is sent by the next emitter on this folder."""
        left = self.spool.waiting
        self.spool.close()
        if left:
            _log.warning("%d usage events wait in %s; the next emitter there sends them", left, self._dir)

    def _run(self) -> None:
        while not self._stopped.is_set():
            self._wake.clear()
            try:
                self._sender.step(clock.monotonic())
            except Exception:  # noqa: BLE001  a thread's main: the events stand on disk and are tried again
                _log.exception("sending from the spool failed and is tried again")
            self._wake.wait(_STEP_SEC)
