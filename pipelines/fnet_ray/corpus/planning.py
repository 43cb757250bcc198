"""From input files to shards: footers are read, other formats converted, the manifest written."""

from __future__ import annotations

import logging
import sys
from collections.abc import Container, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa

from fnet_ray.cluster.pool import ActorPool, shard_rows
from fnet_ray.corpus.columns import carried_schema
from fnet_ray.corpus.conversion import Converting, convert_files, convert_on_ray
from fnet_ray.corpus.files import InputFile, unreadable
from fnet_ray.corpus.formats import PARQUET
from fnet_ray.corpus.parquet import Footer, read_footers
from fnet_ray.corpus.partitions import partition_types
from fnet_ray.corpus.shards import Input, Sharding
from fnet_ray.model import PinnedModel
from fnet_ray.options import Parameters
from fnet_ray.output.layout import EMBEDDINGS
from fnet_ray.output.lease import Lease
from fnet_ray.output.manifest import Manifest
from fnet_ray.output.store import Store
from fnet_registry.errors import InputError, OutputError

logger = logging.getLogger(__name__)

SMALL_FILE = 1 << 20
"""The bytes up to which, on average, a text file may be one text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Corpus:
    """Everything to read, its bytes in memory, and the columns that the output carries along."""

    inputs: tuple[Input, ...]
    carried: pa.Schema
    size: int

    @property
    def rows(self) -> int:
        """Rows in all."""
        return sum(each.rows for each in self.inputs)

    @property
    def row_bytes(self) -> float:
        """Bytes of a row, on average."""
        return self.size / max(1, self.rows)


def open_corpus(
    files: Sequence[InputFile],
    store: Store,
    parameters: Parameters,
    *,
    skip_damaged: bool = False,
    convert_each: Converting = convert_on_ray,
) -> Corpus:
    """Count the rows of all inputs and settle their columns.

    Args:
        files: The input files.
        store: Where files of other formats are converted to.
        parameters: The job's.
        skip_damaged: Whether to go on without files that cannot be read.
        convert_each: What converts them.

    Raises:
        InputError: A file is damaged, lacks a column, or has one of another type.
    """
    inputs: list[Input] = []
    footers: list[tuple[InputFile, Footer]] = []
    others = [file for file in files if file.format != PARQUET]
    converted = convert_files(
        others,
        store,
        parameters.columns,
        skip_damaged=skip_damaged,
        convert_each=convert_each,
    )
    opened = {file.path: file.opened for file in files}
    parquets = {file.path: converted.get(file.path, file.path) for file in files}
    whole = [path for path in parquets.values() if isinstance(path, str)]
    read = dict(zip(whole, read_footers([opened.get(p, p) for p in whole]), strict=True))
    for file in files:
        parquet = parquets[file.path]
        found = parquet if isinstance(parquet, InputError) else read[parquet]
        if isinstance(found, Footer):
            inputs.append(Input(file=file, parquet=str(parquet), rows=found.rows))
            footers.append((file, found))
            if not found.rows:
                logger.warning("An input file holds no rows: %s", file.path)
            continue
        damage = unreadable(file, found) if isinstance(found, str) else found
        if not skip_damaged:
            raise damage
        inputs.append(Input(file=file, parquet="", rows=0))
        logger.warning("Going on without a file that cannot be read. %s", damage)
    if not parameters.whole_files:
        _hint_at_whole_files(inputs)
    if not footers:
        raise InputError(
            f"At least one input must be readable. Received: {len(files)} damaged files"
        )
    carried = _carried([each for each in footers if each[1].rows] or footers, files, parameters)
    own = parameters.own_columns
    clash = sorted(set(carried.names) & set(own))
    if clash:
        raise InputError(
            f"The output has columns of its own ({', '.join(own)}): name that of the vectors with "
            f"--output-column, and leave an input column of such a name out with --keep. "
            f"Received: {clash[0]}"
        )
    size = sum(footer.size for _, footer in footers)
    return Corpus(inputs=tuple(inputs), carried=carried, size=size)


def _hint_at_whole_files(inputs: Sequence[Input]) -> None:
    """Say it where many small text files may be texts, rather than collections of them."""
    texts = [each for each in inputs if each.file.format.name == "txt"]
    rows, size = sum(each.rows for each in texts), sum(each.file.size or 0 for each in texts)
    if len(texts) > 1 and rows > len(texts) and size <= len(texts) * SMALL_FILE:
        logger.warning(
            "%s plain text files are read as %s rows, one for each line; --whole-files makes "
            "each file one text",
            f"{len(texts):,}",
            f"{rows:,}",
        )


def check_first(files: Sequence[InputFile], parameters: Parameters) -> None:
    """Check one input's columns, so that a slip in a name shows before anything is started.

    Raises:
        InputError: A column is missing, or holds no texts.
    """
    first = next((file for file in files if file.format == PARQUET), None)
    footer = read_footers([first.opened])[0] if first else None
    if first and isinstance(footer, Footer):
        _carried([(first, footer)], files, parameters)


def _carried(
    footers: Sequence[tuple[InputFile, Footer]], files: Sequence[InputFile], parameters: Parameters
) -> pa.Schema:
    partitions = partition_types(file.path for file in files)
    return carried_schema(footers, parameters.columns, partitions=partitions)


def open_manifest(store: Store, model: PinnedModel, parameters: Parameters) -> Manifest:
    """Return the output's manifest, or one without inputs for an output that is new.

    Raises:
        OutputError: The output was begun with another model or other parameters, or holds files
            that are not a run's.
    """
    manifest = Manifest.read(store)
    if manifest is not None:
        manifest.check_same(model=model.uri, digest=model.digest, parameters=parameters)
        return manifest
    if store.names(EMBEDDINGS):
        raise OutputError(
            "The output must be a new folder, or one that an earlier run began. "
            f"Received: {store.path(EMBEDDINGS)}, with files of another origin"
        )
    return Manifest(
        model=model.uri,
        digest=model.digest,
        encoding=model.encoding.to_dict(),
        parameters=parameters,
        carried=pa.schema([]),
        shardings=(),
    )


def shard_inputs(
    manifest: Manifest,
    files: Sequence[InputFile],
    store: Store,
    model: PinnedModel,
    pool: ActorPool,
    *,
    lease: Lease,
    append: bool,
    skip_damaged: bool,
    convert_each: Converting = convert_on_ray,
) -> Manifest:
    """Cut inputs that the manifest does not hold yet into shards, and store them in it.

    Raises:
        InputError: An input cannot be used.
        LeaseError: Another driver took over meanwhile.
        OutputError: The inputs are not those that the output was begun with.
    """
    begun, parameters = bool(manifest.shardings), manifest.parameters
    new = manifest.new_inputs(files, append=append) if begun else files
    if not new:
        return manifest
    if parameters.limit is not None and manifest.rows >= parameters.limit:
        raise InputError(
            f"The output must have room for more rows; its limit of {parameters.limit} is reached. "
            f"Received: {new[0].path}, a new file"
        )
    found = open_corpus(
        new, store, parameters, skip_damaged=skip_damaged, convert_each=convert_each
    )
    carried = manifest.carried if begun and not found.rows else found.carried
    if manifest.rows and carried != manifest.carried:
        raise InputError(
            "Appended inputs must have the columns and types of those before "
            f"({_describe(manifest.carried)}). Received: {_describe(found.carried)}"
        )
    rows = min(found.rows, (parameters.limit or sys.maxsize) - manifest.rows)
    length = model.encoding.sequence_length
    sharding = Sharding(
        inputs=found.inputs,
        rows=rows,
        shard_rows=shard_rows(
            rows, pool, model.checkpoint.config, length, row_bytes=found.row_bytes
        ),
        first_shard=manifest.shards,
    )
    manifest = replace(manifest, carried=carried, shardings=(*manifest.shardings, sharding))
    lease.check()  # to count rows may have taken hours
    manifest.write(store)
    return manifest


def restore_converted(
    manifest: Manifest,
    files: Sequence[InputFile],
    store: Store,
    *,
    done: Container[int],
    convert_each: Converting = convert_on_ray,
) -> None:
    """Convert inputs again that shards are left of, and whose converted copies are not whole.

    Raises:
        InputError: Such an input, as it is now in `files` or where it was, cannot be read any more,
            or changed.
    """
    if not any(each.is_converted for each in manifest.inputs):
        return
    left = {
        part.parquet
        for sharding in manifest.shardings
        for shard, ranges in sharding.ranges()
        if shard not in done
        for part in ranges
    }
    converted = [each for each in manifest.inputs if each.is_converted and each.parquet in left]
    footers = read_footers([each.parquet for each in converted])
    now = {file.path: file for file in files}
    lost = [
        replace(each.file, opened=now.get(each.file.path, each.file).opened)
        for each, footer in zip(converted, footers, strict=True)
        if not (isinstance(footer, Footer) and footer.rows == each.rows)
    ]
    columns = manifest.parameters.columns
    convert_files(lost, store, columns, skip_damaged=False, convert_each=convert_each)


def _describe(schema: pa.Schema) -> str:
    return ", ".join(f"{field.name}: {field.type}" for field in schema)
