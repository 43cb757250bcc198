"""OpenAI's embeddings API: what a request may say, and how it is answered."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np

from fnet_registry.errors import FNetError, TextError
from fnet_registry.shown import one_line, shown

if TYPE_CHECKING:
    from fnet_registry.encoding.encoder import TextEncoder
    from fnet_registry.encoding.packing import Tokens

EMBEDDINGS_TASK = "llm/v1/embeddings"
"""MLflow's name for answers of this form."""
MOST_TEXTS = 2048
LARGEST_BODY = 16 << 20
_ONE_IS_READ = Lock()  # at a time: while it is read, a hostile one takes 25 times its bytes
_LARGE_BODY = 1 << 20  # texts of a larger one are tokenized one at a time, too
_FIELDS = ("input", "model", "encoding_format", "dimensions", "user")


class RefusedError(FNetError):
    """A request that is not answered, as OpenAI's clients read it.

    Args:
        message: What was expected, and what was received.
        param: The field that is wrong.
        code: OpenAI's word for what is wrong, where clients look for one.
        status: The HTTP status.
    """

    def __init__(
        self,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        status: int = 400,
    ) -> None:
        super().__init__(one_line(message))
        self.param, self.code, self.status = param, code, status

    @property
    def body(self) -> dict[str, Any]:
        """The answer's JSON."""
        kind = "invalid_request_error"
        found = {"message": str(self), "type": kind, "param": self.param, "code": self.code}
        return {"error": found}


def answer(body: bytes, *, model: str, encoder: TextEncoder) -> dict[str, Any]:
    """Answer a `POST /v1/embeddings`.

    Args:
        body: The request's.
        model: What the encoder is called.
        encoder: What computes; a `SharedEncoder` where requests come from several threads.

    Returns:
        The answer's JSON. Its tokens are those that were computed on, `[CLS]` and `[SEP]` included
        and padding not: of a text that is longer than the sequence length, its first ones.

    Raises:
        RefusedError: The request cannot be answered.
    """
    with _ONE_IS_READ:
        texts, write = _asked(body, model, encoder.dim)
    try:
        with _ONE_IS_READ if len(body) > _LARGE_BODY else nullcontext():
            tokens = encoder.tokenize(texts)
    except TextError as error:
        raise RefusedError(str(error), param="input") from None
    return {"model": model, **listed(map(write, encoder.encode_tokens(tokens)), tokens)}


def _asked(body: bytes, model: str, dim: int) -> tuple[list[Any], Callable[[np.ndarray], Any]]:
    """Return a request's texts, and how their vectors are written."""
    fields = _read_fields(body)
    _check_model(fields, model)
    write = _writer(fields.get("encoding_format"))
    if fields.get("dimensions") not in (None, dim):
        raise RefusedError(
            f"`dimensions` must be {dim}, the width of this model, or left out."
            f" Received: {shown(fields['dimensions'])}",
            param="dimensions",
        )
    return _texts(fields.get("input")), write


def check_size(size: int) -> None:
    """Refuse a body that is too large, by the bytes of it that have come.

    Raises:
        RefusedError: It is.
    """
    if size > LARGEST_BODY:
        raise RefusedError(
            f"A request must be at most {LARGEST_BODY >> 20} MiB. Received: {size:,} bytes or more",
            status=413,
        )


def listed(embeddings: Iterable[Any], tokens: Tokens) -> dict[str, Any]:
    """Return embeddings as OpenAI lists them, with the number of tokens that they cost."""
    count = int(tokens.lengths.sum())
    return {
        "object": "list",
        "data": [
            {"object": "embedding", "index": index, "embedding": embedding}
            for index, embedding in enumerate(embeddings)
        ],
        "usage": {"prompt_tokens": count, "total_tokens": count},
    }


def models(model: str) -> dict[str, Any]:
    """Answer a `GET /v1/models`."""
    only = {"id": model, "object": "model", "created": 0, "owned_by": "fnet-registry"}
    return {"object": "list", "data": [only]}


def _read_fields(body: bytes) -> dict[str, Any]:
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise RefusedError(f"A request must be JSON. Received: {error}") from None
    if not isinstance(fields, dict):
        raise RefusedError(
            'A request must be an object, for example {"model": "…", "input": ["a text"]}.'
            f" Received: {shown(fields)}"
        )
    if unknown := sorted(fields.keys() - set(_FIELDS)):
        raise RefusedError(
            f"A request's fields may be {', '.join(_FIELDS)}. Received: {shown(unknown[0])}",
            param=one_line(unknown[0]),
        )
    return fields


def _check_model(fields: dict[str, Any], model: str) -> None:
    if not isinstance(fields.get("model"), str):
        raise RefusedError(
            f"`model` must be {model!r}. Received: {shown(fields.get('model'))}", param="model"
        )
    if fields["model"] != model:
        raise RefusedError(
            f"The model here is {model!r}. Received: {shown(fields['model'])}",
            param="model",
            code="model_not_found",
            status=404,
        )


def _writer(encoding_format: Any) -> Callable[[np.ndarray], Any]:
    if encoding_format in (None, "float"):
        return np.ndarray.tolist
    if encoding_format == "base64":
        return lambda vector: base64.b64encode(vector.astype("<f4").tobytes()).decode()
    raise RefusedError(
        f"`encoding_format` must be float or base64. Received: {shown(encoding_format)}",
        param="encoding_format",
    )


def _texts(given: Any) -> list[Any]:
    """Return the texts of an `input`; whether each row is one is left to the tokenizer."""
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list) or not texts:
        raise RefusedError(
            '`input` must be a text or a list of texts, for example ["a text"].'
            f" Received: {shown(given)}",
            param="input",
        )
    if len(texts) > MOST_TEXTS:
        raise RefusedError(
            f"`input` must be at most {MOST_TEXTS:,} texts. Received: {len(texts):,}",
            param="input",
        )
    if isinstance(texts[0], int | list):
        raise RefusedError(
            "`input` must be texts, for the ids of another model's tokens mean nothing here (in"
            " LangChain: check_embedding_ctx_length=False)."
            f" Received: {shown(given)}",
            param="input",
        )
    return texts
