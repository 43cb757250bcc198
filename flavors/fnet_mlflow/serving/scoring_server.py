"""JSON that Python cannot hold, refused by MLflow's model server as any other bad request."""

from __future__ import annotations

import functools
import sys
from typing import Any

from fnet_mlflow.serving.inputs import RequestError


def refuse_unreadable_json() -> None:
    """Have MLflow's model server answer it with status 400 where it would fail with 500.

    The server reads a request before any model sees it, expects errors of syntax alone, and has no
    public place to say otherwise, so its reader is wrapped. Nothing is done in another process, or
    where MLflow has no reader of that name.
    """
    server: Any = sys.modules.get("mlflow.pyfunc.scoring_server")
    read = getattr(server, "_decode_json_input", None)
    if read is None or hasattr(read, "__wrapped__"):
        return

    @functools.wraps(read)
    def read_or_refuse(text: Any) -> Any:
        try:
            return read(text)
        except (RecursionError, ValueError) as error:
            raise RequestError(
                "A request must be JSON of fewer than a thousand levels, with numbers of at most"
                f" 4,300 digits. Received: {error}"
            ) from None

    server._decode_json_input = read_or_refuse
