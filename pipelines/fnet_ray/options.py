"""What is asked of a job, and shapes its output: the options that `embed` and `preview` share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypedDict

from fnet_ray.stages.tokens import LongTextHandling, Windowing
from fnet_registry.errors import JobError

PLACE_COLUMNS = ("source_file", "source_row", "window")
WINDOW_COLUMNS = ("start", "end")


class Options(TypedDict, total=False):
    """What `embed` and `preview` take by name; a resume must name the same.

    Args:
        column: The column of texts, by default `text`; plain text files have just this one.
        id_column: A column that identifies rows. Without one, the output tells rows by the columns
            `source_file` and `source_row`.
        keep: The input columns to carry along, by default all.
        limit: The number of rows to embed, from the first on.
        dtype: Compute dtype, `float32` or `bfloat16`; by default the model's own choice.
        embedding_dtype: What vectors are stored as, by default `float32`.
        output_column: What the column of vectors is called, by default `embedding`.
        long_text: `truncate` to the model's sequence length (default), `split` into windows, or
            `error` (the row is rejected).
        overlap: Tokens that neighbouring windows share.
        windows: Under `split`, one row for each window (default), with its own characters as text,
            where these stand in the whole text in the columns `start` and `end`, and its number in
            `window`; or the `mean` of a text's windows.
        reject_empty: Whether a text of no characters is rejected.
    """

    column: str
    id_column: str | None
    keep: Sequence[str] | None
    limit: int | None
    dtype: str | None
    embedding_dtype: Literal["float32", "float16"]
    output_column: str
    long_text: LongTextHandling
    overlap: int
    windows: Literal["rows", "mean"]
    reject_empty: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """The input columns that a job was asked for.

    Args:
        text: The column of texts; for plain text files, what their only column is called.
        id: The column that identifies rows, or None. It is always carried along.
        keep: The columns to carry along, or None for all.
        required: Whether a file without the column of texts is refused.
    """

    text: str = "text"
    id: str | None = None
    keep: Sequence[str] | None = None
    required: bool = True

    @property
    def carried(self) -> Sequence[str] | None:
        """The columns to carry along, the ids among them, or None for all."""
        if self.keep is None or self.id is None or self.id in self.keep:
            return self.keep
        return [self.id, *self.keep]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """The options of a job, checked and complete.

    Raises:
        JobError: An option has a value that it cannot have.
    """

    column: str = "text"
    id_column: str | None = None
    keep: Sequence[str] | None = None
    limit: int | None = None
    dtype: str | None = None
    embedding_dtype: Literal["float32", "float16"] = "float32"
    output_column: str = "embedding"
    long_text: LongTextHandling = "truncate"
    overlap: int = 0
    windows: Literal["rows", "mean"] = "rows"
    reject_empty: bool = False

    def __post_init__(self) -> None:
        if self.limit is not None and self.limit < 1:
            raise JobError(f"The limit must be at least 1 row. Received: {self.limit}")
        if self.keep is not None:
            object.__setattr__(self, "keep", tuple(dict.fromkeys(self.keep)))
        if self.output_column in ("", *PLACE_COLUMNS, *WINDOW_COLUMNS):
            raise JobError(
                "The column of vectors must have a name of its own, such as embedding. "
                f"Received: {self.output_column!r}"
            )

    @property
    def columns(self) -> Columns:
        """The input columns."""
        return Columns(text=self.column, id=self.id_column, keep=self.keep)

    @property
    def own_columns(self) -> tuple[str, ...]:
        """The columns that the output may have beside the input's."""
        windows = WINDOW_COLUMNS if self.window_rows else ()
        return (*PLACE_COLUMNS, self.output_column, *windows)

    @property
    def window_rows(self) -> bool:
        """Whether the output has a row for each window, rather than for each text."""
        return self.long_text == "split" and self.windows == "rows"

    @property
    def mean_windows(self) -> bool:
        """Whether a text's vector is the mean of its windows'."""
        return self.long_text == "split" and self.windows == "mean"

    def windowing(self, sequence_length: int) -> Windowing:
        """Return how texts meet a model's length."""
        return Windowing(
            sequence_length=sequence_length, long_text=self.long_text, overlap=self.overlap
        )
