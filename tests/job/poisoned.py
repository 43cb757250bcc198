"""Encoders that some rows are poison to, for workers to load in the place of a real one's."""

import os
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np

from fnet_ray.model import SharedModel
from fnet_registry.encoding.packing import Tokens
from fnet_registry.encoding.tokenizer import FNetTokenizer


class PoisonedEncoder:
    """A real encoder that raises over one text, or ends its process."""

    def __init__(self, encoder: Any, *, poison: list[int], dies: bool) -> None:
        self._encoder = encoder
        self._poison, self._dies = poison, dies

    def __getattr__(self, name: str) -> Any:
        return getattr(self._encoder, name)

    def encode_tokens(self, tokens: Tokens) -> np.ndarray:
        texts = [tokens[row : row + 1].values[1:-1].tolist() for row in range(len(tokens))]
        if self._poison in texts:
            if self._dies:
                os._exit(9)
            raise RuntimeError("poison")
        return self._encoder.encode_tokens(tokens)


@dataclass(frozen=True, slots=True, kw_only=True)
class PoisonedModel(SharedModel):
    """A model whose encoder fails over some rows."""

    poison: list[int]
    dies: bool

    @classmethod
    def of(cls, model: SharedModel, *, text: str, dies: bool) -> Self:
        """Make a text poison."""
        values = {field.name: getattr(model, field.name) for field in fields(model)}
        poison = FNetTokenizer(model.tokenizer_proto).tokenize([text])[0]
        return cls(**values, poison=poison, dies=dies)

    def encoder(self, *, num_threads: int | None) -> Any:
        encoder = SharedModel.encoder(self, num_threads=num_threads)
        return PoisonedEncoder(encoder, poison=self.poison, dies=self.dies)
