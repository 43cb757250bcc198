"""Runs that take turns in one process, so that each sees the same minutes of the machine."""

import statistics
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fnet_registry.engine.engine import Engine

TURN_SECONDS, LONG_RUN_SECONDS = 1.0, 10.0


def seconds_of_a_turn(run: Callable[[], object]) -> float:
    """The mean time of a run, over a turn of a second or more.

    The first run of a turn is not measured, for it wakes threads, and fills caches that another
    turn has emptied; where it takes so long that this is nothing beside it, it is the turn.
    """
    started = time.perf_counter()
    run()
    if (taken := time.perf_counter() - started) > LONG_RUN_SECONDS:
        return taken
    started, runs = time.perf_counter(), 0
    while (taken := time.perf_counter() - started) < TURN_SECONDS:
        run()
        runs += 1
    return taken / runs


def median_seconds(runs: Sequence[Callable[[], object]], *, rounds: int) -> list[float]:
    """The median time of each run, over turns."""
    taken = [[seconds_of_a_turn(run) for run in runs] for _ in range(rounds)]
    return [statistics.median(seconds) for seconds in zip(*taken, strict=True)]


def sequences_per_second(
    engines: Sequence["Engine"], *, length: int, batch: int, rounds: int
) -> list[float]:
    """How fast each engine computes the sequence output of one random batch."""
    import torch

    ids = torch.randint(engines[0].config.vocabulary_size, (batch, length))
    runs = [lambda engine=engine: engine.sequence_outputs(ids).cpu() for engine in engines]
    return [batch / seconds for seconds in median_seconds(runs, rounds=rounds)]
