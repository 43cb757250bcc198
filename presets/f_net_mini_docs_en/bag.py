"""A bag of pieces: what an FNet of one layer computes at `[CLS]`, without its transforms.

The Fourier transform has at `[CLS]` the sum over all positions, and of the sum's own transform the
real part, which keeps what is even: half of the hidden dimensions. So a sum of short vectors is all
that is left of a text, and training on sums is far faster than on the model itself.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from fnet_registry.presets.config import FNetConfig

RARE = 1e-3
"""Share of a text's pieces at which a piece's first weight is a half (Arora et al., 2017)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pieces:
    """Texts' pieces one after the other, and where each text begins; the last begins at the end."""

    ids: np.ndarray
    begins: np.ndarray

    def read(self, rows: np.ndarray) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return some texts' pieces, where each text begins among them, and their places in it."""
        lengths = self.begins[rows + 1] - self.begins[rows]
        begins = np.cumsum(lengths) - lengths
        places = np.arange(lengths.sum()) - np.repeat(begins, lengths)
        ids = self.ids[np.repeat(self.begins[rows], lengths) + places].astype(np.int64)
        return torch.from_numpy(ids), torch.from_numpy(begins), torch.from_numpy(places)


class Bag(nn.Module):
    """A weighted sum of a text's piece vectors, and an FNet's layer on it.

    Attributes:
        vectors: A vector for each piece, of shape `(pieces, hidden // 2 - 1)`.
        places: How much a piece counts at each place, of shape `(length,)`, as logits.
        inner: The layer's first dense layer.
        outer: The layer's second dense layer.
    """

    def __init__(self, config: FNetConfig, counts: np.ndarray) -> None:
        """Begin at random, so that few pieces are alike, and short where a piece is frequent.

        Args:
            config: The model's sizes.
            counts: How often each piece occurs, of shape `(pieces,)`.
        """
        super().__init__()
        hidden, dim = config.hidden_dim, config.hidden_dim // 2 - 1
        weight = torch.from_numpy(RARE / (RARE + counts / counts.sum())).float()[:, None]
        first = torch.randn(config.vocabulary_size, dim) / math.sqrt(dim) * weight
        self.vectors = nn.Parameter(first)
        self.places = nn.Parameter(torch.zeros(config.max_sequence_length))
        self.inner = nn.Linear(hidden, config.intermediate_dim)
        self.outer = nn.Linear(config.intermediate_dim, hidden)
        nn.init.zeros_(self.outer.weight)
        nn.init.zeros_(self.outer.bias)
        transformed = np.fft.fft(even_basis(hidden), axis=0).real / math.sqrt(hidden)
        self.register_buffer("basis", torch.from_numpy(transformed).float(), persistent=False)

    def forward(
        self, ids: torch.Tensor, begins: torch.Tensor, places: torch.Tensor
    ) -> torch.Tensor:
        """Return the texts' vectors, each of length 1."""
        weights = self.weights()[places]
        total = F.embedding_bag(ids, self.vectors, begins, mode="sum", per_sample_weights=weights)
        mixed = _layer_norm(total @ self.basis.T)
        fed = self.outer(F.gelu(self.inner(mixed), approximate="tanh"))
        return F.normalize(_layer_norm(mixed + fed), dim=-1)

    def weights(self) -> torch.Tensor:
        """Return how much a piece counts at each place, from 0 to 1."""
        return torch.sigmoid(self.places)


def even_basis(hidden: int) -> np.ndarray:
    """Return what the transform's real part keeps, of shape `(hidden, hidden // 2 - 1)`."""
    waves = np.arange(hidden)[:, None] * np.arange(1, hidden // 2)
    return np.cos(2 * np.pi * waves / hidden) * math.sqrt(2 / hidden)


def odd_directions(hidden: int) -> np.ndarray:
    """Return two directions that the transform's real part takes away."""
    waves = np.arange(hidden) * np.array([[1], [2]])
    return np.sin(2 * np.pi * waves / hidden) * math.sqrt(2 / hidden)


def _layer_norm(values: torch.Tensor) -> torch.Tensor:
    return F.layer_norm(values, values.shape[-1:], eps=1e-12)
