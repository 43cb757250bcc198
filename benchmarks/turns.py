"""Runs that take turns in one process, so that each sees the same minutes of the machine."""

import statistics
import time
from collections.abc import Callable, Sequence

import torch

from fnet_registry.engine.engine import Engine


def median_seconds(
    runs: Sequence[Callable[[], object]], *, rounds: int, unmeasured: int = 1
) -> list[float]:
    """The median time of each run.

    Args:
        runs: What to time.
        rounds: How often each is timed.
        unmeasured: How often each runs before, to warm up.
    """
    taken: list[list[float]] = [[] for _ in runs]
    for _ in range(unmeasured + rounds):
        for run, seconds in zip(runs, taken, strict=True):
            started = time.perf_counter()
            run()
            seconds.append(time.perf_counter() - started)
    return [statistics.median(seconds[unmeasured:]) for seconds in taken]


def sequences_per_second(
    engines: Sequence[Engine], *, length: int, batch: int, rounds: int
) -> list[float]:
    """How fast each engine computes the sequence output of one random batch."""
    ids = torch.randint(engines[0].config.vocabulary_size, (batch, length))
    runs = [lambda engine=engine: engine.sequence_outputs(ids).cpu() for engine in engines]
    return [batch / seconds for seconds in median_seconds(runs, rounds=rounds)]
