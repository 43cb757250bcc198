"""Mean and covariance of vectors, part by part, and the head that whitens by them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from fnet_registry.errors import InputError
from fnet_registry.presets.checkpoint import Checkpoint
from fnet_registry.presets.tensors import HEAD

# A direction that varies less than this, of the widest one's variance or of the vectors' mean
# square, holds rounding errors.
_LEAST_VARIANCE, _LEAST_SHARE = 1e-6, 1e-10


@dataclass(frozen=True, slots=True, kw_only=True)
class Moments:
    """What mean and covariance follow from; parts of a corpus add up.

    Args:
        count: Vectors.
        total: Their sum, float64 of shape `(dim,)`.
        products: The sum of their outer products, float64 of shape `(dim, dim)`.
    """

    count: int
    total: np.ndarray
    products: np.ndarray

    @classmethod
    def of(cls, vectors: np.ndarray) -> Self:
        """Take the moments of vectors of shape `(count, dim)`."""
        exact = vectors.astype(np.float64)
        return cls(count=len(exact), total=exact.sum(0), products=exact.T @ exact)

    def __add__(self, other: Moments) -> Moments:
        """Return the moments of both parts."""
        return Moments(
            count=self.count + other.count,
            total=self.total + other.total,
            products=self.products + other.products,
        )

    @property
    def mean(self) -> np.ndarray:
        """The mean, of shape `(dim,)`."""
        return self.total / self.count

    @property
    def covariance(self) -> np.ndarray:
        """The covariance, of shape `(dim, dim)`."""
        return self.products / self.count - np.outer(self.mean, self.mean)


def whitening_head(moments: Moments, dims: int | None = None) -> dict[str, np.ndarray]:
    """Return the head after which vectors have mean 0 and covariance 1.

    Su et al., 2021 (https://arxiv.org/abs/2103.15316).

    Args:
        moments: Those of the corpus's vectors.
        dims: How many directions to keep, the widest first; by default all that vary.

    Returns:
        Float32 `head.kernel` of shape `(dim, dims)` and `head.bias` of shape `(dims,)`.

    Raises:
        InputError: The vectors vary in fewer directions.
    """
    variances, directions = np.linalg.eigh(moments.covariance)
    variances, directions = variances[::-1], directions[:, ::-1]
    square = np.trace(moments.products) / moments.count
    varying = int((variances > max(_LEAST_VARIANCE * variances[0], _LEAST_SHARE * square)).sum())
    if not varying or (dims or 1) > varying or moments.count <= (dims or len(variances)):
        raise InputError(
            f"The corpus must have more texts than directions to keep, {dims or len(variances)}, "
            "and vary in these: take more texts, or fewer --dims. "
            f"Received: {moments.count:,} texts, which vary in {varying} directions"
        )
    kept = directions[:, : dims or varying]
    kept = kept * np.sign(kept[np.abs(kept).argmax(0), np.arange(kept.shape[1])])
    kernel = kept / np.sqrt(variances[: kept.shape[1]])
    return _as_head(kernel, -moments.mean @ kernel)


def with_head(checkpoint: Checkpoint, head: dict[str, np.ndarray]) -> Checkpoint:
    """Return a model with a head after it; where it has one already, the new one does both."""
    arrays = checkpoint.arrays
    own = {name: values for name, values in arrays.items() if name.startswith(f"{HEAD}.")}
    return replace(checkpoint, arrays={**arrays, **followed_by(own, head)})


def followed_by(
    head: dict[str, np.ndarray] | None, second: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Return the one head that does what a model's own and a second one after it do."""
    if not head:
        return second
    kernel = second[f"{HEAD}.kernel"].astype(np.float64)
    own = head[f"{HEAD}.kernel"] @ kernel, head[f"{HEAD}.bias"] @ kernel
    return _as_head(own[0], own[1] + second[f"{HEAD}.bias"])


def _as_head(kernel: np.ndarray, bias: np.ndarray) -> dict[str, np.ndarray]:
    head = {f"{HEAD}.kernel": kernel, f"{HEAD}.bias": bias}
    return {name: np.ascontiguousarray(values, np.float32) for name, values in head.items()}
