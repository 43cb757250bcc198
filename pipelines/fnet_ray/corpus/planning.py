"""From input files to shards: footers are read, other formats staged, the manifest written."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from fnet_ray.cluster.failures import own_error
from fnet_ray.cluster.pool import WorkerPool, shard_rows
from fnet_ray.corpus.conversion import stage
from fnet_ray.corpus.files import InputFile, opened_as, unreadable
from fnet_ray.corpus.formats import Format
from fnet_ray.corpus.partitions import partition_types
from fnet_ray.corpus.shards import Footer, Plan, Source, carried_schema, read_footers
from fnet_ray.model import PinnedModel
from fnet_ray.output.commits import EMBEDDINGS
from fnet_ray.output.manifest import Manifest, Parameters
from fnet_ray.output.store import Store
from fnet_registry.errors import InputError, OutputError

logger = logging.getLogger(__name__)

OUTPUT_COLUMNS = ("source_file", "source_row", "window", "embedding")
WINDOW_COLUMNS = ("start", "end")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Everything to read, and the columns that it carries."""

    sources: tuple[Source, ...]
    carried: pa.Schema

    @property
    def rows(self) -> int:
        """Rows in all."""
        return sum(source.rows for source in self.sources)


def open_sources(
    files: Sequence[InputFile],
    store: Store,
    parameters: Parameters,
    *,
    skip_damaged: bool = False,
    on_this_node: bool = False,
) -> Sources:
    """Count the rows of all inputs and settle their columns.

    Args:
        files: The input files.
        store: Where files without footers are staged.
        parameters: The job's.
        skip_damaged: Whether to go on without files that cannot be read.
        on_this_node: Whether the store is a folder that other nodes do not see.

    Raises:
        InputError: A file is damaged, lacks a column, or has one of another type.
    """
    sources: list[Source] = []
    footers: list[tuple[InputFile, Footer]] = []
    staged = stage_files(
        [file for file in files if file.format is not Format.PARQUET],
        store,
        column=parameters.column,
        id_column=parameters.id_column,
        on_this_node=on_this_node,
    )
    for file, data, found in _open_all(files, staged):
        if isinstance(found, Footer):
            sources.append(Source(file=file, data=data, rows=found.rows))
            footers.append((file, found))
            if not found.rows:
                logger.warning("An input file holds no rows: %s", file.path)
        elif skip_damaged:
            sources.append(Source(file=file, data="", rows=0))
            logger.warning("Going on without a file that cannot be read. %s", found)
        else:
            raise found
    if not footers:
        raise InputError(
            f"At least one input must be readable. Received: {len(files)} damaged files"
        )
    carried = _carried([each for each in footers if each[1].rows] or footers, files, parameters)
    own = [*OUTPUT_COLUMNS, *(WINDOW_COLUMNS if parameters.window_rows else ())]
    clash = sorted(set(carried.names) & set(own))
    if clash:
        raise InputError(
            f"The output has columns of its own ({', '.join(own)}): leave an input "
            f"column of such a name out with --keep. Received: {clash[0]}"
        )
    return Sources(sources=tuple(sources), carried=carried)


def check_first(files: Sequence[InputFile], parameters: Parameters) -> None:
    """Check one input's columns, so that a slip in a name shows before anything is started.

    Raises:
        InputError: A column is missing, or holds no texts.
    """
    first = next((file for file in files if file.format is Format.PARQUET), None)
    if first is None:
        return
    footer = read_footers([first.opened])[0]
    if isinstance(footer, Footer):
        _carried([(first, footer)], files, parameters)


def _carried(
    footers: Sequence[tuple[InputFile, Footer]],
    files: Sequence[InputFile],
    parameters: Parameters,
) -> pa.Schema:
    return carried_schema(
        footers,
        partitions=partition_types(file.path for file in files),
        column=parameters.column,
        id_column=parameters.id_column,
        keep=parameters.keep,
    )


def open_manifest(store: Store, model: PinnedModel, parameters: Parameters) -> Manifest:
    """Return the output's manifest, or one without inputs for an output that is new.

    Raises:
        OutputError: The output was begun with another model or other parameters, or holds files
            that are not a run's.
    """
    manifest = Manifest.read(store)
    if manifest is None:
        if store.names(EMBEDDINGS):
            raise OutputError(
                "The output must be a new folder, or one that an earlier run began. "
                f"Received one with files of another origin: {store.path(EMBEDDINGS)}"
            )
        return Manifest(
            model=model.uri,
            digest=model.digest,
            encoding=model.encoding.to_dict(),
            parameters=parameters,
            carried=pa.schema([]),
            plans=(),
        )
    manifest.check_same(model=model.uri, digest=model.digest, parameters=parameters)
    return manifest


def plan_inputs(
    manifest: Manifest,
    files: Sequence[InputFile],
    store: Store,
    model: PinnedModel,
    pool: WorkerPool,
    *,
    append: bool,
    skip_damaged: bool,
) -> Manifest:
    """Cut inputs that no plan holds yet into shards, and store the manifest that says so.

    Raises:
        InputError: An input cannot be used.
        OutputError: The inputs are not those that the output was begun with.
    """
    begun = bool(manifest.plans)
    new = manifest.new_inputs(files, append=append) if begun else files
    if not new:
        return manifest
    parameters = manifest.parameters
    if parameters.limit is not None and manifest.rows >= parameters.limit:
        raise InputError(
            f"The output must have room for more rows; its limit of {parameters.limit} is reached. "
            f"Received a new file: {new[0].path}"
        )
    found = open_sources(
        new,
        store,
        parameters,
        skip_damaged=skip_damaged,
    )
    carried = manifest.carried if begun and not found.rows else found.carried
    if begun and carried != manifest.carried:
        raise InputError(
            "Appended inputs must have the columns and types of those before "
            f"({_describe(manifest.carried)}). Received: {_describe(found.carried)}"
        )
    rows = found.rows
    if parameters.limit is not None:
        rows = min(rows, parameters.limit - manifest.rows)
    length = model.encoding.sequence_length
    plan = Plan(
        sources=found.sources,
        rows=rows,
        shard_rows=shard_rows(rows, pool, model.checkpoint.config, length),
        first_shard=manifest.shards,
    )
    manifest = replace(manifest, carried=carried, plans=(*manifest.plans, plan))
    manifest.write(store)
    return manifest


def mend_staged(manifest: Manifest, files: Sequence[InputFile], store: Store) -> None:
    """Stage inputs anew whose staged copies are gone or damaged.

    Args:
        manifest: The job's manifest.
        files: The input files as they are now.
        store: The output.

    Raises:
        InputError: Such an input cannot be read any more, or changed.
    """
    sources = (source for plan in manifest.plans for source in plan.sources)
    staged = [source for source in sources if source.data not in ("", source.file.path)]
    footers = read_footers([source.data for source in staged])
    now = {file.path: file for file in files}
    lost = [
        replace(source.file, opened=now[source.file.path].opened)
        for source, footer in zip(staged, footers, strict=True)
        if not (isinstance(footer, Footer) and footer.rows == source.rows)
    ]
    column, id_column = manifest.parameters.column, manifest.parameters.id_column
    found = stage_files(lost, store, column=column, id_column=id_column, on_this_node=False)
    for error in found.values():
        if isinstance(error, InputError):
            raise error


def _describe(schema: pa.Schema) -> str:
    return ", ".join(f"{field.name}: {field.type}" for field in schema)


def _open_all(
    files: Sequence[InputFile], staged: Mapping[str, str | InputError]
) -> Iterator[tuple[InputFile, str, Footer | InputError]]:
    paths = [staged.get(file.path, file.path) for file in files]
    opened = opened_as(files)
    footers = iter(read_footers([opened.get(p, p) for p in paths if isinstance(p, str)]))
    for file, path in zip(files, paths, strict=True):
        if isinstance(path, InputError):
            yield file, "", path
            continue
        footer = next(footers)
        if isinstance(footer, Footer):
            yield file, path, footer
        else:
            yield file, path, unreadable(file, footer)


def stage_files(
    files: Sequence[InputFile],
    store: Store,
    *,
    column: str,
    id_column: str | None,
    on_this_node: bool,
) -> dict[str, str | InputError]:
    """Stage files to Parquet, in parallel.

    Args:
        files: The files.
        store: Where to.
        column: The column of texts.
        id_column: The column that identifies rows, or None.
        on_this_node: As in `open_sources`.

    Returns:
        An input's path → the staged file's, or what is wrong with it.
    """
    if not files:
        return {}
    import ray
    from ray.exceptions import RayTaskError
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    place: Any = here if on_this_node else "DEFAULT"

    @ray.remote(num_cpus=1, max_retries=3, scheduling_strategy=place)
    def stage_one(file: InputFile) -> str | InputError:
        try:
            return store.path(stage(file, store, column=column, id_column=id_column))
        except InputError as error:
            return error

    try:
        staged = ray.get([stage_one.remote(file) for file in files])
    except RayTaskError as error:
        raise own_error(error) from None
    return {file.path: found for file, found in zip(files, staged, strict=True)}
