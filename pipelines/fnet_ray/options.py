"""What is asked of a job, and shapes its output: the options that `embed` and `preview` share."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Literal, TypedDict

from fnet_ray.stages.tokens import LongTextHandling, Windowing
from fnet_registry.errors import JobError
from fnet_registry.shown import shown

PLACE_COLUMNS = ("source_file", "source_row", "window")
WINDOW_COLUMNS = ("start", "end")


class Options(TypedDict, total=False):
    """What `embed` and `preview` take by name; a resume must name the same.

    Args:
        column: The column of texts, by default `text`; plain text files have just this one. Here,
            in `id_column` and in `keep`, `doc.text` is the field `text` inside the column `doc`,
            unless a column has this very name.
        id_column: A column that identifies rows. Without one, the output tells rows by the columns
            `source_file` and `source_row`.
        keep: The input columns to carry along, by default all.
        limit: The number of rows to embed, from the first on.
        dtype: Compute dtype, `float32` or `bfloat16`; by default the model's own choice.
        embedding_dtype: What vectors are stored as, by default `float32`.
        output_column: What the column of vectors is called, by default `embedding`.
        whole_files: Whether a plain text file is one text, rather than one for each line.
        encoding: The character encoding of all files but Parquet, by default UTF-8.
        delimiter: What parts the values of CSV and TSV files, by default a comma and a tab.
        header: The columns of CSV and TSV files that have no header line.
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
    whole_files: bool
    encoding: str
    delimiter: str | None
    header: Sequence[str] | None
    long_text: LongTextHandling
    overlap: int
    windows: Literal["rows", "mean"]
    reject_empty: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How files hold their rows, where they do not say so themselves.

    Args:
        whole_files: Whether a plain text file is one text, rather than one for each line.
        encoding: The character encoding of all files but Parquet, by any of Python's names for it.
        delimiter: What parts the values of CSV and TSV; None for what the files' ending says.
        header: The columns of CSV and TSV without a header line; None where there is one.

    Raises:
        JobError: There is no such encoding, delimiter or header.
    """

    whole_files: bool = False
    encoding: str = "utf-8"
    delimiter: str | None = None
    header: Sequence[str] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "encoding", _known_encoding(self.encoding))
        if self.header is not None:
            object.__setattr__(self, "header", _checked_header(self.header))
        if self.delimiter is not None:
            _check_delimiter(self.delimiter)


def _known_encoding(name: str) -> str:
    try:
        "a".encode(name)  # refuses codecs from bytes to bytes
        return codecs.lookup(name).name
    except (LookupError, ValueError, TypeError):
        raise JobError(
            "The character encoding must be one that Python knows, such as utf-16 or cp1252. "
            f"Received: {shown(name)}"
        ) from None


def _checked_header(header: Sequence[str]) -> tuple[str, ...]:
    if isinstance(header, str) or not all(header) or not 0 < len(header) == len(set(header)):
        raise JobError(
            "A header must be one name for each column, each once, such as id,text. "
            f"Received: {shown(header)}"
        )
    return tuple(header)


def _check_delimiter(delimiter: str) -> None:
    if len(delimiter) != 1 or not delimiter.isascii() or delimiter in '"\r\n\0':
        raise JobError(
            "A delimiter must be one ASCII character, such as ; or a tab, and no quote. "
            f"Received: {shown(delimiter)}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """The input columns that a job was asked for.

    A name such as `doc.text` may be that of a field inside a column, see `fnet_ray.corpus.nested`.

    Args:
        text: The column of texts; for plain text files, what their only column is called.
        id: The column that identifies rows, or None. It is always carried along.
        keep: The columns to carry along, or None for all.
        required: Whether a file without the column of texts is refused.
        layout: How files hold them.
        also_texts: Further columns of texts, where a format has no types.
    """

    text: str = "text"
    id: str | None = None
    keep: Sequence[str] | None = None
    required: bool = True
    layout: Layout = Layout()
    also_texts: Sequence[str] = ()

    @property
    def carried(self) -> Sequence[str] | None:
        """The columns to carry along, the ids among them, or None for all."""
        if self.keep is None or self.id is None or self.id in self.keep:
            return self.keep
        return [self.id, *self.keep]

    @property
    def nested(self) -> list[str]:
        """The columns asked for by names that may be those of fields inside columns."""
        names = dict.fromkeys((self.text, self.id or "", *(self.keep or ())))
        return [name for name in names if "." in name]


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
    whole_files: bool = False
    encoding: str = "utf-8"
    delimiter: str | None = None
    header: Sequence[str] | None = None
    long_text: LongTextHandling = "truncate"
    overlap: int = 0
    windows: Literal["rows", "mean"] = "rows"
    reject_empty: bool = False

    def __post_init__(self) -> None:
        layout = self._layout()
        object.__setattr__(self, "encoding", layout.encoding)
        object.__setattr__(self, "header", layout.header)
        if self.limit is not None and self.limit < 1:
            raise JobError(f"The limit must be at least 1 row. Received: {self.limit}")
        if self.keep is not None:
            object.__setattr__(self, "keep", tuple(dict.fromkeys(self.keep)))
        name, taken = self.output_column, ("", *PLACE_COLUMNS, *WINDOW_COLUMNS)
        if not isinstance(name, str) or not name.isprintable() or name in taken:
            raise JobError(
                "The column of vectors must have a name of its own, of characters that print, such "
                f"as embedding. Received: {shown(name)}"
            )

    def check_used(self, formats: Iterable[str]) -> None:
        """Refuse what would change nothing, which a user surely did not mean.

        Stored parameters are not checked so: earlier releases took them.

        Args:
            formats: The names of the formats of the input files.

        Raises:
            JobError: An option has nothing to act on.
        """
        there = set(formats)
        tables, split = bool(there & {"csv", "tsv"}), self.long_text == "split"
        asked = ", ".join(sorted(there))
        for name, idle, needs, received in (
            ("overlap", self.overlap and not split, "--long-text split", self.long_text),
            ("windows", self.windows != "rows" and not split, "--long-text split", self.long_text),
            ("whole-files", self.whole_files and "txt" not in there, "plain text files", asked),
            ("delimiter", self.delimiter is not None and not tables, "CSV or TSV files", asked),
            ("header", self.header is not None and not tables, "CSV or TSV files", asked),
        ):
            if idle:
                raise JobError(f"--{name} needs {needs}. Received: {received}")

    @property
    def columns(self) -> Columns:
        """The input columns."""
        return Columns(text=self.column, id=self.id_column, keep=self.keep, layout=self._layout())

    def _layout(self) -> Layout:
        return Layout(**{each.name: getattr(self, each.name) for each in fields(Layout)})

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
