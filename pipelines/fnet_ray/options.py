"""What is asked of a job, and shapes its output: the options that `embed` and `preview` share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypedDict

from fnet_ray.stages.tokens import LongText


class Options(TypedDict, total=False):
    """What `embed` and `preview` take by name; a resume must name the same."""

    column: str
    """The column of texts, by default `text`; plain text files have just this one."""
    id_column: str | None
    """A column that identifies rows. Without one, the output tells rows by the columns
    `source_file` and `source_row`."""
    keep: Sequence[str] | None
    """The input columns to carry along, by default all."""
    limit: int | None
    """The number of rows to embed, from the first on."""
    dtype: str | None
    """Compute dtype, `float32` or `bfloat16`; by default the model's own choice."""
    embedding_dtype: Literal["float32", "float16"]
    """What vectors are stored as, by default `float32`."""
    long_text: LongText
    """`truncate` to the model's sequence length (default), `split` into windows, or `error` (the
    row is rejected)."""
    overlap: int
    """Tokens that neighbouring windows share."""
    windows: Literal["rows", "mean"]
    """Under `split`, one row for each window (default), with its own characters as text, where
    these stand in the whole text in the columns `start` and `end`, and its number in `window`; or
    the `mean` of a text's windows."""
    reject_empty: bool
    """Whether a text of no characters is rejected."""
