"""Encoders that some rows are poison to, for workers to load in the place of a real one's."""

from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np

from fnet_ray.model import SharedModel
from fnet_registry.encoding.packing import Tokens


class PoisonedEncoder:
    """A real encoder that raises over one text."""

    def __init__(self, encoder: Any, *, raises: list[int]) -> None:
        self._encoder = encoder
        self._raises = raises

    def __getattr__(self, name: str) -> Any:
        return getattr(self._encoder, name)

    def encode_tokens(self, tokens: Tokens) -> np.ndarray:
        texts = [tokens[row : row + 1].values[1:-1].tolist() for row in range(len(tokens))]
        if self._raises in texts:
            raise RuntimeError("poison")
        return self._encoder.encode_tokens(tokens)


@dataclass(frozen=True, slots=True, kw_only=True)
class PoisonedModel(SharedModel):
    """A model whose encoder fails over some rows."""

    raises: list[int]

    @classmethod
    def of(cls, model: SharedModel, *, raises: str) -> Self:
        """Make a text poison."""
        values = {field.name: getattr(model, field.name) for field in fields(model)}
        return cls(**values, raises=model.tokenizer().tokenize([raises])[0])

    def encoder(self, *, num_threads: int | None) -> Any:
        encoder = SharedModel.encoder(self, num_threads=num_threads)
        return PoisonedEncoder(encoder, raises=self.raises)
