"""What the work took: added up from the commits of shards."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fnet_ray.output.commits import Commit
from fnet_ray.output.layout import EMBEDDINGS

STAGES = {
    "read": "read_seconds",
    "tokenize": "tokenize_seconds",
    "encode": "seconds",
    "commit": "commit_seconds",
}
"""A stage → what its time is called in a commit."""

_PAUSE_SECONDS = 300.0
_MOST_STEPS = 60

Interval = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """Rows encoded per second, over the time at work.

    Args:
        edges: Seconds since the start, of shape `(steps + 1,)`.
        rows_per_second: Of shape `(steps,)`.
        pauses: Where, in seconds since the start, more than five minutes are left out.
    """

    edges: np.ndarray
    rows_per_second: np.ndarray
    pauses: Sequence[float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """The work of all committed shards. What older programs did not record is None.

    Args:
        reused: Rows whose vectors an older output held.
        tokens: Tokens encoded, without padding.
        windows: What was encoded: texts, or windows of them.
        truncated: How many of these lost tokens.
        lengths: Tokens of a text before any cut → texts of that length.
        stages: A stage → its seconds, over all workers.
        rate: Rows per second over time.
        seconds: How long any machine was at work.
        machine_seconds: The same, added up over the machines.
        began: When that began, in seconds since 1970.
        ended: When it ended.
        stored_bytes: Bytes of the embeddings' files.
        stored_rows: Their rows: windows, where each has its own.
        devices: What computed, and how many shards of it.
        hosts: Machines.
        versions: The versions of packages on them.
    """

    reused: int
    tokens: int
    windows: int
    truncated: int
    lengths: Mapping[int, int] | None
    stages: Mapping[str, float] | None
    rate: Rate | None
    seconds: float | None
    machine_seconds: float | None
    began: float | None
    ended: float | None
    stored_bytes: int
    stored_rows: int
    devices: Mapping[str, int]
    hosts: Sequence[str]
    versions: Sequence[str]


def add_up(commits: Sequence[Commit]) -> Work:
    """Add the work of commits up."""
    done = [each.work for each in commits]
    files = [f for each in commits for f in each.files if f.name.startswith(f"{EMBEDDINGS}/")]
    timed = [each for each in commits if "ended" in each.work]
    is_timed = bool(timed) and len(timed) == len(commits)
    stretches = _stretches(map(_at_work, timed))
    return Work(
        reused=sum(work.get("reused", 0) for work in done),
        tokens=sum(work["tokens"] for work in done),
        windows=sum(work.get("windows", 0) for work in done),
        truncated=sum(work["truncated"] for work in done),
        lengths=_lengths(done),
        stages=_stages(done),
        rate=_rate(timed, stretches) if is_timed else None,
        seconds=_total(stretches) if is_timed else None,
        machine_seconds=_machine_seconds(timed) if is_timed else None,
        began=stretches[0][0] if is_timed else None,
        ended=stretches[-1][1] if is_timed else None,
        stored_bytes=sum(file.size for file in files),
        stored_rows=sum(file.rows for file in files),
        devices=Counter(work["device"] for work in done),
        hosts=sorted({work["host"] for work in done if "host" in work}),
        versions=sorted({work["versions"] for work in done if "versions" in work}),
    )


def _lengths(done: Sequence[Mapping]) -> Mapping[int, int] | None:
    if not done or any("lengths" not in work for work in done):
        return None
    counts: Counter[int] = Counter()
    for work in done:
        counts.update(dict(work["lengths"]))
    return counts


def _stages(done: Sequence[Mapping]) -> Mapping[str, float] | None:
    if not done or any(name not in work for work in done for name in STAGES.values()):
        return None
    return {stage: sum(work[name] for work in done) for stage, name in STAGES.items()}


def _encoding(commit: Commit) -> Interval:
    return commit.work["ended"] - commit.work["seconds"], commit.work["ended"]


def _at_work(commit: Commit) -> Interval:
    """Return when a shard was worked on, as if its stages had followed without a wait."""
    start, end = _encoding(commit)
    before = commit.work["read_seconds"] + commit.work["tokenize_seconds"]
    return start - before, end + commit.work["commit_seconds"]


def _stretches(intervals: Iterable[Interval]) -> list[Interval]:
    """Return the times at work, which are parted by pauses of more than five minutes."""
    found: list[Interval] = []
    for start, end in sorted(intervals):
        if found and start - found[-1][1] <= _PAUSE_SECONDS:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((start, end))
    return found


def _total(stretches: Sequence[Interval]) -> float:
    return sum(end - start for start, end in stretches)


def _machine_seconds(timed: Sequence[Commit]) -> float:
    ordered = sorted(timed, key=lambda each: each.work["host"])
    machines = itertools.groupby(ordered, key=lambda each: each.work["host"])
    return sum(_total(_stretches(map(_at_work, shards))) for _, shards in machines)


def _rate(timed: Sequence[Commit], stretches: Sequence[Interval]) -> Rate | None:
    total = _total(stretches)
    if total <= 0:
        return None
    ends = np.cumsum([end - start for start, end in stretches])
    starts = ends - [end - start for start, end in stretches]
    edges = np.linspace(0, total, min(_MOST_STEPS, len(timed)) + 1)
    rows = np.zeros(len(edges) - 1)
    for commit in timed:
        start, end = _encoding(commit)
        place = int(np.searchsorted([s for s, _ in stretches], start, side="right")) - 1
        since = starts[place] - stretches[place][0]
        inside = np.clip(edges, start + since, end + since)
        rows += commit.rows * np.diff(inside) / max(end - start, np.finfo(float).tiny)
    return Rate(
        edges=edges, rows_per_second=rows / np.diff(edges), pauses=[float(e) for e in ends[:-1]]
    )
