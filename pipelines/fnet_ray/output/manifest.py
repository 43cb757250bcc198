"""The durable record of what a run was asked to do; a resume with anything else is refused."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, Self

import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq

from fnet_ray.corpus.files import InputFile
from fnet_ray.corpus.formats import Format
from fnet_ray.corpus.shards import Plan, Source
from fnet_ray.output.store import Store
from fnet_ray.stages.tokens import LongText, Windowing
from fnet_registry.errors import FNetError, JobError, OutputError

# Raise when an older program could not read the new run folder, and say in `read` what to do.
FORMAT_VERSION = 2
OWN_TEXT_FORMAT = 2
"""From here on, a window's row holds its own characters."""
NAME = "run/manifest.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """What was asked for and shapes the output; equal on every resume."""

    column: str = "text"
    id_column: str | None = None
    keep: Sequence[str] | None = None
    limit: int | None = None
    dtype: str | None = None
    embedding_dtype: Literal["float32", "float16"] = "float32"
    long_text: LongText = "truncate"
    overlap: int = 0
    windows: Literal["rows", "mean"] = "rows"
    reject_empty: bool = False

    def __post_init__(self) -> None:
        if self.limit is not None and self.limit < 1:
            raise JobError(f"The limit must be at least 1 row. Received: {self.limit}")
        if self.keep is not None:
            object.__setattr__(self, "keep", tuple(dict.fromkeys(self.keep)))

    @property
    def window_rows(self) -> bool:
        """Whether the output has a row for each window, rather than for each text."""
        return self.long_text == "split" and self.windows == "rows"

    def windowing(self, sequence_length: int) -> Windowing:
        """Return how texts meet a model's length."""
        return Windowing(
            sequence_length=sequence_length, long_text=self.long_text, overlap=self.overlap
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """A run: its model, its parameters, and its inputs with their shards."""

    model: str
    digest: str
    encoding: Mapping[str, Any]
    parameters: Parameters
    carried: pa.Schema
    """The input's columns that the output carries."""
    plans: tuple[Plan, ...]
    """One for the first inputs, and one for each `--append`."""
    tracking_run: str | None = None
    format_version: int = FORMAT_VERSION

    @property
    def rows(self) -> int:
        """Input rows in all."""
        return sum(plan.rows for plan in self.plans)

    @property
    def shards(self) -> int:
        """Shards in all."""
        return sum(len(plan.shards) for plan in self.plans)

    def shard_length(self, shard: int) -> int | None:
        """Return a shard's number of rows, or None where no plan has such a shard."""
        plan = next((plan for plan in self.plans if shard in plan.shards), None)
        return plan and plan.shard_length(shard)

    def write(self, store: Store) -> None:
        """Store the manifest; the lists of sources first, so that it never names a missing one."""
        plans = []
        for number, plan in enumerate(self.plans):
            name = f"run/inputs-{number:04d}.parquet"
            if not store.exists(name):
                store.write(name, _sources_to_parquet(plan.sources))
            values = asdict(replace(plan, sources=()))
            plans.append({**values, "sources": name})
        values = {
            "format_version": self.format_version,
            "model": self.model,
            "digest": self.digest,
            "encoding": dict(self.encoding),
            "parameters": asdict(self.parameters),
            "columns": {field.name: str(field.type) for field in self.carried},
            "arrow_schema": base64.b64encode(self.carried.serialize()).decode(),
            "plans": plans,
            "tracking_run": self.tracking_run,
        }
        store.write(NAME, json.dumps(values, indent=1).encode())

    @classmethod
    def read(cls, store: Store) -> Self | None:
        """Return the manifest of an output, or None where no run was begun.

        Raises:
            OutputError: It is damaged, or of a newer format.
        """
        if not store.exists(NAME):
            return None
        try:
            return cls._from_json(store)
        except (ValueError, TypeError, KeyError, FileNotFoundError, pa.ArrowException) as error:
            if isinstance(error, FNetError):
                raise
            raise OutputError(
                f"The output's record must be whole; what it was begun with is lost: put "
                f"{NAME} and run/inputs-*.parquet back from a copy, or choose another output. "
                f"Received ({type(error).__name__}): {store.url}"
            ) from error

    @classmethod
    def _from_json(cls, store: Store) -> Self:
        values = json.loads(store.read(NAME))
        if values["format_version"] > FORMAT_VERSION:
            raise OutputError(
                f"The run folder must be of format {FORMAT_VERSION} or older (a newer "
                f"fnet-registry reads it). Received: {values['format_version']} in {store.url}"
            )
        schema = base64.b64decode(values.pop("arrow_schema"))
        return cls(
            model=values["model"],
            digest=values["digest"],
            encoding=values["encoding"],
            parameters=Parameters(**values["parameters"]),
            carried=pa.ipc.read_schema(pa.py_buffer(schema)),
            plans=tuple(
                Plan(**{**plan, "sources": _sources_from_parquet(store.read(plan["sources"]))})
                for plan in values["plans"]
            ),
            tracking_run=values["tracking_run"],
            format_version=values["format_version"],
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
        """Return the inputs that no plan holds yet.

        Args:
            found: The input files as they are now.
            append: Whether new ones may be taken in.

        Raises:
            OutputError: A file changed, or is missing or new where that is not asked for.
        """
        known = {source.file.path: source.file for plan in self.plans for source in plan.sources}
        for file in found:
            before = known.get(file.path)
            if before and (before.size, before.version) != (file.size, file.version):
                raise OutputError(
                    "The inputs must be as they were when the output was begun: choose another "
                    f"output. Received a changed file: {file.path}"
                )
        new = [file for file in found if file.path not in known]
        gone = sorted(known.keys() - {file.path for file in found})
        if append:
            return new
        if new or gone:
            which = f"a new file (take it in with --append): {new[0].path}" if new else ""
            raise OutputError(
                "The inputs must be those that the output was begun with. Received "
                + (which or f"all but: {gone[0]}")
            )
        return []


def _sources_to_parquet(sources: Sequence[Source]) -> bytes:
    columns = {
        "path": [source.file.path for source in sources],
        "format": [source.file.format.value for source in sources],
        "size": [source.file.size for source in sources],
        "version": [source.file.version for source in sources],
        "data": [source.data for source in sources],
        "rows": [source.rows for source in sources],
    }
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink, compression="zstd")
    return sink.getvalue()


def _sources_from_parquet(data: bytes) -> tuple[Source, ...]:
    return tuple(
        Source(
            file=InputFile(
                path=row["path"],
                format=Format(row["format"]),
                size=row["size"],
                version=row["version"],
            ),
            data=row["data"],
            rows=row["rows"],
        )
        for row in pq.read_table(io.BytesIO(data)).to_pylist()
    )
