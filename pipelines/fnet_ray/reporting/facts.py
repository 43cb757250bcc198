"""All that the page says of an output, read from it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fnet_ray.output.audit import Finding, audit
from fnet_ray.output.layout import EMBEDDINGS, REJECTS, REPORT
from fnet_ray.output.lease import Lease
from fnet_ray.output.manifest import Manifest
from fnet_ray.output.store import Store
from fnet_ray.reporting.colours import Colours, colour
from fnet_ray.reporting.likeness import Likeness, measure, project
from fnet_ray.reporting.rejected import RejectedRows, read_rejects
from fnet_ray.reporting.sample import Neighbours, Sample, draw_sample, find_neighbours
from fnet_ray.reporting.work import Work, add_up
from fnet_registry.errors import InputError, OutputError

_MOST_QUERIES = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Map:
    """A sample's rows in two dimensions.

    Args:
        places: Float64 array of shape `(rows, 2)`.
        method: What laid them out.
        colours: The rows in groups.
    """

    places: np.ndarray
    method: str
    colours: Colours


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What a sample of an output shows.

    Args:
        sample: The rows.
        likeness: How long and how alike their vectors are.
        map: Where they lie.
        neighbours: What is nearest to some of them.
    """

    sample: Sample
    likeness: Likeness
    map: Map
    neighbours: Sequence[Neighbours]


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """An output at one moment.

    Args:
        output: Its folder or URL.
        manifest: What it was begun with.
        state: `running`, `stopped` or `finished`.
        holder: The driver at work, where one is.
        done: Input rows of the shards that are committed.
        rejected: How many of these were rejected.
        shards_done: Shards that are committed.
        work: What these took.
        rejects: The rejected rows by reason.
        damage: What is wrong with files of the output.
        infinite: Rows of the sample that are left out, as their vectors are not finite.
        look: What a sample shows; None where there is no row to show.
        job: What the job said of itself at its end, where it has ended.
    """

    output: str
    manifest: Manifest
    state: str
    holder: str | None
    done: int
    rejected: int
    shards_done: int
    work: Work
    rejects: Sequence[RejectedRows]
    damage: Sequence[str]
    infinite: int
    look: Look | None
    job: Mapping[str, Any]

    @property
    def rows_per_second(self) -> float | None:
        """Rows per second while rows were encoded, as far as that was recorded."""
        if self.work.seconds:
            return self.done / self.work.seconds
        return self.job.get("rows_per_second")


def gather(store: Store, *, color: str | None = None) -> Facts:
    """Read all that the page says of an output.

    Args:
        store: The output.
        color: The column to colour the map by.

    Raises:
        OutputError: No job was begun there, or its record is damaged.
        InputError: It has no such column.
    """
    manifest = Manifest.read(store)
    if manifest is None:
        raise OutputError(f"Expected the output of fnet embed. Received: {store.url}")
    findings = list(audit(store, manifest))
    damage = [f"shard {each.shard}: {each.damage}" for each in findings if each.damage]
    good = [each for each in findings if each.commit and not each.damage]
    commits = [each.commit for each in good if each.commit]
    holder = Lease.holder(store)
    facts = Facts(
        output=store.url,
        manifest=manifest,
        state=_state(manifest, len(commits), holder),
        holder=holder,
        done=sum(commit.rows for commit in commits),
        rejected=sum(commit.rejects for commit in commits),
        shards_done=len(commits),
        work=add_up(commits),
        rejects=[],
        damage=damage,
        infinite=0,
        look=None,
        job=_read_job(store),
    )
    facts = _with_rejects(facts, store, good)
    return _with_look(facts, store, good, color)


def _state(manifest: Manifest, shards_done: int, holder: str | None) -> str:
    if shards_done == manifest.shards:
        return "finished"  # the driver that makes the page may hold the output yet
    return "running" if holder else "stopped"


def _read_job(store: Store) -> Mapping[str, Any]:
    try:
        found = json.loads(store.read(REPORT))
    except (FileNotFoundError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _files(findings: Sequence[Finding], folder: str) -> list[tuple[str, int]]:
    """Return names and rows of the files in a folder that are published and hold rows."""
    return [
        (file.name, file.rows)
        for each in findings
        if each.commit and each.is_published
        for file in each.commit.files
        if file.name.startswith(f"{folder}/") and file.rows
    ]


def _with_rejects(facts: Facts, store: Store, findings: Sequence[Finding]) -> Facts:
    try:
        rejects = read_rejects(store, [name for name, _ in _files(findings, REJECTS)])
    except InputError as error:  # damage that its size does not tell
        return replace(facts, damage=[*facts.damage, str(error)])
    return replace(facts, rejects=rejects)


def _with_look(facts: Facts, store: Store, findings: Sequence[Finding], color: str | None) -> Facts:
    files = _files(findings, EMBEDDINGS)
    if not files:
        return facts
    try:
        sample = draw_sample(store, facts.manifest, files)
    except InputError as error:
        return replace(facts, damage=[*facts.damage, str(error)])
    look = _look(sample, color) if len(sample.rows) else None
    return replace(facts, look=look, infinite=sample.infinite)


def _look(sample: Sample, color: str | None) -> Look:
    colours = colour(sample, color)
    places, method = project(sample.vectors)
    return Look(
        sample=sample,
        likeness=measure(sample.vectors),
        map=Map(places=places, method=method, colours=colours),
        neighbours=find_neighbours(sample, _queries(colours)) if sample.among > 1 else [],
    )


def _queries(colours: Colours) -> list[int]:
    """Choose rows whose neighbours are shown: one of each group, then others."""
    _, firsts = np.unique(colours.group, return_index=True)
    spread = np.linspace(0, len(colours.group) - 1, 4 * _MOST_QUERIES).round().astype(int)
    return list(dict.fromkeys([*firsts.tolist(), *spread.tolist()]))[:_MOST_QUERIES]
