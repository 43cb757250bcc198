"""The durable record of what a run was asked to do; a resume with anything else is refused."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq

from fnet_ray.corpus.files import InputFile
from fnet_ray.corpus.formats import format_named
from fnet_ray.corpus.shards import Input, Sharding
from fnet_ray.options import Parameters
from fnet_ray.output.layout import ALL_INPUT_LISTS, CONVERTED, INPUT_LIST, MANIFEST
from fnet_ray.output.store import Store
from fnet_registry.errors import FNetError, OutputError

# Raise when an older program could not read the new run folder, and say in `read` what to do.
FORMAT_VERSION = 4
OWN_TEXT_FORMAT = 2
"""From here on, a window's row holds its own characters."""
TEXTS_FORMAT = 4
"""From here on, hashes of texts are stored beside the vectors, and what computed these."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """A run: its model, its parameters, and its inputs with their shards.

    Args:
        model: The model's URI, with its version.
        digest: SHA-256 of all that changes the model's vectors.
        encoding: The model's encoding options.
        parameters: What was asked for and shapes the output; equal on every resume.
        carried: The input's columns that the output carries.
        shardings: One for the first inputs, and one for each `--append`.
        tracking_run: The MLflow run's id.
        format_version: The format of the run folder.
    """

    model: str
    digest: str
    encoding: Mapping[str, Any]
    parameters: Parameters
    carried: pa.Schema
    shardings: tuple[Sharding, ...]
    tracking_run: str | None = None
    format_version: int = FORMAT_VERSION

    @property
    def inputs(self) -> list[Input]:
        """The inputs, in their order."""
        return [each for sharding in self.shardings for each in sharding.inputs]

    @property
    def rows(self) -> int:
        """Input rows in all."""
        return sum(sharding.rows for sharding in self.shardings)

    @property
    def shards(self) -> int:
        """Shards in all."""
        return sum(len(sharding.shards) for sharding in self.shardings)

    def sharding_of(self, shard: int) -> Sharding | None:
        """Return the sharding that a shard is of, or None where there is no such shard."""
        return next((each for each in self.shardings if shard in each.shards), None)

    def write(self, store: Store) -> None:
        """Store the manifest; the lists of inputs first, so that it never names a missing one."""
        stored = []
        for number, sharding in enumerate(self.shardings):
            name = INPUT_LIST.format(number=number)
            # The last may be of other inputs: left by a run that ended before it wrote a manifest.
            if number + 1 == len(self.shardings) or not store.exists(name):
                store.write(name, _to_parquet(sharding.inputs))
            sizes = {each: getattr(sharding, each) for each in _SIZES}
            stored.append({"sources": name, **sizes})
        values = {
            "format_version": self.format_version,
            "model": self.model,
            "digest": self.digest,
            "encoding": dict(self.encoding),
            "parameters": asdict(self.parameters),
            "columns": {field.name: str(field.type) for field in self.carried},
            "arrow_schema": base64.b64encode(self.carried.serialize()).decode(),
            "plans": stored,
            "tracking_run": self.tracking_run,
        }
        store.write(MANIFEST, json.dumps(values, indent=1).encode())

    @classmethod
    def read(cls, store: Store) -> Self | None:
        """Return the manifest of an output, or None where no run was begun.

        Raises:
            OutputError: It is damaged, or of a newer format.
        """
        if not store.exists(MANIFEST):
            return None
        try:
            return cls._from_json(store)
        except (ValueError, TypeError, KeyError, FileNotFoundError, pa.ArrowException) as error:
            if isinstance(error, FNetError):
                raise
            raise OutputError(
                f"The output's record must be whole; what it was begun with is lost: put "
                f"{MANIFEST} and {ALL_INPUT_LISTS} back from a copy, or choose another output. "
                f"Received: {store.url} ({type(error).__name__})"
            ) from error

    @classmethod
    def _from_json(cls, store: Store) -> Self:
        values = json.loads(store.read(MANIFEST))
        if values["format_version"] > FORMAT_VERSION:
            raise OutputError(
                f"The run folder must be of format {FORMAT_VERSION} or older (a newer "
                f"fnet-registry reads it). Received: {values['format_version']} in {store.url}"
            )
        for name in ("model", "digest"):
            if not isinstance(values[name], str):
                raise TypeError(name)
        schema = base64.b64decode(values["arrow_schema"])
        kept = ("model", "digest", "encoding", "tracking_run", "format_version")
        return cls(
            **{name: values[name] for name in kept},
            parameters=Parameters(**values["parameters"]),
            carried=pa.ipc.read_schema(pa.py_buffer(schema)),
            shardings=tuple(
                Sharding(
                    inputs=_read_inputs(store, stored["sources"]),
                    **{name: stored[name] for name in _SIZES},
                )
                for stored in values["plans"]
            ),
        )

    def check_same(self, *, model: str, digest: str, parameters: Parameters) -> None:
        """Refuse to go on with anything else than what the output was begun with.

        Raises:
            OutputError: The model or a parameter differs; the message names what.
        """
        if digest != self.digest:
            raise OutputError(
                f"The output was begun with {self.model} (digest {self.digest[:12]}): go on with "
                f"the same model or choose another output. Received: {model} ({digest[:12]})"
            )
        begun, asked = asdict(self.parameters), asdict(parameters)
        for name, value in begun.items():
            if asked[name] != value:
                raise OutputError(
                    f"The output was begun with {name}={value!r}: go on with the same or choose "
                    f"another output. Received: {name}={asked[name]!r}"
                )
        if parameters.window_rows and self.format_version < OWN_TEXT_FORMAT:
            raise OutputError(
                "The output was begun by an older fnet-registry, with the whole text in each "
                "window's row: choose another output. "
                f"Received: format {self.format_version}, now {OWN_TEXT_FORMAT}"
            )

    def new_inputs(self, found: Sequence[InputFile], *, append: bool) -> list[InputFile]:
        """Return those of the input files as they are now that the manifest does not hold yet.

        Raises:
            OutputError: A file changed, or is missing or new where that is not asked for.
        """
        known = {each.file.path: each.file for each in self.inputs}
        for file in found:
            before = known.get(file.path)
            if before and (before.size, before.version) != (file.size, file.version):
                raise OutputError(
                    "The inputs must be as they were when the output was begun: choose another "
                    f"output. Received: {file.path}, which has changed"
                )
        new = [file for file in found if file.path not in known]
        gone = sorted(known.keys() - {file.path for file in found})
        if append:
            return new
        if new or gone:
            raise OutputError(
                "The inputs must be those that the output was begun with; new ones are taken in "
                f"with --append. Received: {f'new, {new[0].path}' if new else f'all but {gone[0]}'}"
            )
        return []


_SIZES = ("rows", "shard_rows", "first_shard")


def _to_parquet(inputs: Sequence[Input]) -> bytes:
    rows = [
        {
            "path": each.file.path,
            "format": each.file.format.name,
            "size": each.file.size,
            "version": each.file.version,
            "data": each.parquet,
            "rows": each.rows,
        }
        for each in inputs
    ]
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), sink, compression="zstd")
    return sink.getvalue()


def _read_inputs(store: Store, name: str) -> tuple[Input, ...]:
    # Not by `read_table`, whose threads may outlive the interpreter of a short command.
    table = pq.ParquetFile(io.BytesIO(store.read(name))).read(use_threads=False)
    return tuple(
        Input(
            file=InputFile(
                path=row["path"],
                format=format_named(row["format"]),
                size=row["size"],
                version=row["version"],
            ),
            parquet=_where_now(row["data"], row["path"], store),
            rows=row["rows"],
        )
        for row in table.to_pylist()
    )


def _where_now(parquet: str, path: str, store: Store) -> str:
    """Return where an input's rows are; its converted copy moves with the output."""
    is_copy = parquet not in ("", path)
    return store.path(f"{CONVERTED}/{parquet.rpartition('/')[2]}") if is_copy else parquet
