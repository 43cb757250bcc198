"""What reaches `predict`, read as a list of texts.

The signature's unnamed string column makes MLflow hand on a frame with one column, the first,
whatever it was given. A list of texts, a Series or an array arrives unlabelled or under its own
name; a table's first column may be anything, so its name has to say that it holds the texts. Of
several unlabelled columns MLflow drops all but the first, and in a request's `inputs` or
`instances` it writes nulls and numbers as texts, all before they can be seen here.
"""

from typing import Any

import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE

from fnet_registry.errors import TextError

TEXT_COLUMNS = ("text", "input")
"""Names a text column may have; `input` is what an OpenAI-style request calls it."""


class RequestError(TextError, MlflowException):
    """A request that cannot be embedded; a model server answers it with status 400."""

    def __init__(self, message: str):
        MlflowException.__init__(self, message, error_code=INVALID_PARAMETER_VALUE)


def read_texts(data: Any) -> list[Any]:
    """Reads a request's rows.

    Args:
        data: A text, a list, an array, a Series, or a frame with a text column.

    Returns:
        One entry for each row. Whether an entry is a text is left to the encoder, which names the
        row that is not.

    Raises:
        RequestError: A column is not known to hold texts.
    """
    if isinstance(data, str):
        return [data]
    if isinstance(data, pd.DataFrame):
        return _read_frame(data)
    return list(data.tolist() if hasattr(data, "tolist") else data)


def _read_frame(frame: pd.DataFrame) -> list[Any]:
    named = [name for name in TEXT_COLUMNS if name in frame.columns]
    unlabelled = frame.shape[1] == 1 and not isinstance(frame.columns[0], str)
    if not named and not unlabelled:
        raise RequestError(
            "The column of texts must be called 'text', because MLflow hands on a table's first "
            "column only, whatever it holds: rename it, or pass the texts as a list, for example "
            f"frame['body'].tolist(). Received: {', '.join(map(repr, frame.columns))}"
        )
    rows = frame[named[0]].tolist() if named else frame.iloc[:, 0].tolist()
    # {"text": [...]} and {"input": [...]} arrive as one row that holds the whole list.
    if len(rows) == 1 and isinstance(rows[0], list):
        return rows[0]
    return rows
