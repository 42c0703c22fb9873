"""ServeGen's clients as newcomers: each in turn forgotten halfway, as it goes on and as it runs away. Pure."""

from copy import deepcopy
from dataclasses import dataclass

import numpy as np

from deploy.bench.anomalies_servegen import Folder
from streams.anomalies.detector import Detector, new_detector
from streams.anomalies.page import F32, KINDS, WINDOW_MIN

_TIMES = np.float32(8)
_STRUCK_MIN = 10
_MOST_MIN = 1440


@dataclass(frozen=True, slots=True)
class Newcomers:
    """Of so many clients: how many were told as they are, over so many minutes of all of them, until they were known.

    after_min: how soon each was told where it spent, from its first minute on, 8 times the most that any of the others
    had ever spent in three minutes; infinite: not within ten minutes. None where they have too few peers to be judged.
    """

    clients: int
    told_falsely: int
    watched_min: int
    after_min: tuple[float, ...]


def newcomers(folder: Folder) -> Newcomers:
    """What is told of them."""
    usd = np.ascontiguousarray(folder.usd.T)
    half = len(usd) // 2
    known = new_detector(np.zeros(usd.shape[1], np.int64))
    for minute in range(half):
        known.minute(usd[minute], at_min=minute + 1)
    told, watched, after = 0, 0, []
    clients = np.flatnonzero(usd[half:].any(axis=0)).tolist()
    for row in clients:
        detector = _forgotten(known, row)
        for minute in range(half, min(len(usd), half + _MOST_MIN)):
            if detector.page.active_minutes[row] >= detector.rules.least_active_minutes:
                break
            watched += 1
            told += any(flag.row == row for flag in detector.minute(usd[minute], at_min=minute + 1))
        peers = (known.page.active_minutes >= known.rules.least_peer_minutes) & (np.arange(usd.shape[1]) != row)
        if peers.sum() >= known.rules.least_peers:
            struck = usd[half : half + _STRUCK_MIN].copy()
            struck[:, row] = _TIMES * np.exp(known.page.most[peers].max()) / WINDOW_MIN
            after.append(_told_after(_forgotten(known, row), row, struck, begin_min=half))
    return Newcomers(len(clients), told, watched, tuple(after))


def _told_after(detector: Detector, row: int, usd: F32, *, begin_min: int) -> float:
    for minute, now in enumerate(usd, start=1):
        if any(flag.row == row for flag in detector.minute(now, at_min=begin_min + minute)):
            return minute
    return np.inf


def _forgotten(known: Detector, row: int) -> Detector:
    """The same detector, to whom this row is new."""
    detector = deepcopy(known)
    for name, kind in KINDS.items():
        if name != "gate_usd":
            getattr(detector.page, name)[..., row] = kind.fresh
    return detector
