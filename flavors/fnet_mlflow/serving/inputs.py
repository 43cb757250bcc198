"""What reaches `predict`, read as a list of texts.

The signature's unnamed string column makes MLflow hand on a frame with one column, the first,
whatever it was given. A list of texts, a Series or an array arrives unlabelled or under its own
name; a table's first column may be anything, so its name has to say that it holds the texts. Of
several unlabelled columns MLflow drops all but the first, and in a request's `inputs` or
`instances` it writes nulls and numbers as texts, all before they can be seen here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE

from fnet_registry.errors import TextError
from fnet_registry.shown import one_line, shown

TEXT_COLUMNS = ("text", "input")
"""Names a text column may have; `input` is what an OpenAI-style request calls it."""


class RequestError(TextError, MlflowException):
    """A request that cannot be embedded; a model server answers it with status 400."""

    def __init__(self, message: str):
        self._said = one_line(message)
        MlflowException.__init__(self, self._said, error_code=INVALID_PARAMETER_VALUE)

    @property
    def message(self) -> str:
        """What is wrong. A model server sets it anew, with the whole request before it."""
        return self._said

    @message.setter
    def message(self, message: str) -> None:
        del message


def read_texts(data: Any) -> list[Any]:
    """Read a request's rows.

    Args:
        data: A text, a list, an array, a Series, a frame with a text column, or the same as a
            mapping or a list of mappings, which arrive as they are under other signatures.

    Returns:
        One entry for each row. Whether an entry is a text is left to the encoder, which names the
        row that is not.

    Raises:
        RequestError: No column is known to hold texts, or these are no rows at all.
    """
    if isinstance(data, pd.DataFrame):
        return _read_frame(data)
    if isinstance(data, Mapping):
        data = data[_text_column(list(data))]
    if isinstance(data, np.ndarray) and data.shape[1:] == (1,):
        data = data[:, 0]
    rows = data.tolist() if hasattr(data, "tolist") else data
    if isinstance(rows, str):
        return [rows]
    if not isinstance(rows, Iterable):
        raise RequestError(
            f"Texts must come as a list, for example ['a text']. Received: {shown(rows)}"
        )
    rows = list(rows)
    if rows and all(isinstance(row, Mapping) for row in rows):
        return _read_frame(pd.DataFrame(rows))
    return rows


def _read_frame(frame: pd.DataFrame) -> list[Any]:
    unlabelled = frame.shape[1] == 1 and not isinstance(frame.columns[0], str)
    column = frame.columns[0] if unlabelled else _text_column(frame.columns)
    rows = frame[column].tolist()
    # {"text": [...]} and {"input": [...]} arrive as one row that holds the whole list.
    if len(rows) == 1 and isinstance(rows[0], list):
        return rows[0]
    return rows


def _text_column(names: Collection[Any]) -> str:
    for name in TEXT_COLUMNS:
        if name in names:
            return name
    raise RequestError(
        "The column of texts must be called 'text', because MLflow hands on a table's first "
        "column only, whatever it holds: rename it, or pass the texts as a list, for example "
        f"frame['body'].tolist(). Received: {', '.join(map(repr, names))}"
    )
