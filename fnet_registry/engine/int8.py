"""Dense layers with int8 weights and inputs, in oneDNN on the CPU."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch

from fnet_registry.engine.arrays import as_tensor, release
from fnet_registry.engine.products import Activation, multiply_int8, pack_int8
from fnet_registry.engine.rows import TRIAL_ROWS, by_rows, keeps_rows

_SMALLEST_SCALE = 1e-12
_SMALLEST_INPUT = 1e-30  # so that a scale's inverse is a float32, too
_LARGEST_INPUT = 255
_LOWEST_GELU = -0.1701
# Between 2**23 and 2**24 a float32 is a whole number whose last byte is that of its bits: a sum
# that lands there is rounded, and converted in half the time of a float.
_ROUNDS_TO_WHOLE = 1.5 * 2**23
# Under one half, so that no rounding error carries a value past the ends, where it would wrap.
_BEYOND_THE_ENDS = 0.4
_HEADROOM = 1.25


@dataclass(frozen=True)
class Grid:
    """Evenly spaced numbers that values are rounded to, to be stored as uint8.

    Args:
        scale: The distance of two neighbours.
        zero_point: What zero is stored as.
    """

    scale: float
    zero_point: int

    @classmethod
    def over(cls, low: float, high: float) -> Grid:
        """Return a grid over a range, with some headroom.

        The scale has few digits, so that processors which differ in the last bits of a range
        agree on the grid. It holds zero. Over a range that is not finite it is NaN, as are the
        products.
        """
        if not math.isfinite(high - low):
            return cls(math.nan, 0)
        low, high = min(low, 0.0), max(high, 0.0)
        fraction, exponent = math.frexp(
            max(_HEADROOM * (high - low), _SMALLEST_SCALE) / _LARGEST_INPUT
        )
        scale = math.ldexp(math.ceil(64 * fraction) / 64, exponent)
        return cls(scale, round(-_HEADROOM * low / scale))

    @property
    def is_finite(self) -> bool:
        """Whether it holds a finite range."""
        return not math.isnan(self.scale)

    def fitted(self, low: float, high: float) -> Grid:
        """Return this grid, its scale doubled or halved until half of it would not hold a range.

        It is NaN for a range that is not finite.
        """
        if not math.isfinite(high - low):
            return Grid(math.nan, self.zero_point)
        below = -low / (self.zero_point + _BEYOND_THE_ENDS)
        above = high / (_LARGEST_INPUT - self.zero_point + _BEYOND_THE_ENDS)
        _, doublings = math.frexp(max(below, above, _SMALLEST_INPUT) / self.scale)
        return Grid(math.ldexp(self.scale, doublings), self.zero_point)

    def quantise(self, x: torch.Tensor) -> torch.Tensor:
        """Round float32 values, all within the grid, to uint8 of the same shape."""
        offset = torch.tensor(
            _ROUNDS_TO_WHOLE + self.zero_point, dtype=torch.float32, device=x.device
        )
        return torch.add(offset, x, alpha=1 / self.scale).view(torch.int32).to(torch.uint8)

    def suits(self, quantised: torch.Tensor) -> list[bool]:
        """Return which sequences of a gelu's results the grid neither cuts off nor rounds coarsely.

        The largest value tells: past the end, or in the first quarter of what is above zero. Below
        zero all of them reach about as far. The values, `(batch, …)`, are rounded to the grid.
        """
        least = self.zero_point + (_LARGEST_INPUT - self.zero_point) // 4
        highest = quantised.flatten(1).amax(1).tolist()
        return [least <= value < _LARGEST_INPUT for value in highest]


@dataclass(frozen=True)
class Int8Product:
    """A product of whole numbers, with its activation; see `rows.Product`.

    Args:
        inputs: Columns of the input.
        outputs: Columns of the result.
        activation: `none` or `gelu`.
        rounded: Whether the result is rounded to a grid.
    """

    inputs: int
    outputs: int
    activation: Activation
    rounded: bool

    @property
    def standard(self) -> Self:
        """Itself: its weights are always packed."""
        return self

    def trial(self, rows: int) -> torch.Tensor:
        """Return sums of random numbers: exact in any order, but for their scaling."""
        seeded = torch.Generator().manual_seed(0)
        x = torch.randint(256, (TRIAL_ROWS, self.inputs), generator=seeded)
        weight = torch.randint(-64, 65, (min(self.outputs, 64), self.inputs), generator=seeded)
        scales, bias = torch.rand(2, self.outputs, generator=seeded, dtype=torch.float32)
        return multiply_int8(
            x.to(torch.uint8)[torch.arange(rows) % TRIAL_ROWS],
            (1 / 255, 128),
            pack_int8(weight.to(torch.int8)[torch.arange(self.outputs) % len(weight)]),
            scales / self.inputs**0.5,
            bias,
            self.activation,
            (1 / 32, 6) if self.rounded else None,
        )


class Int8Dense:
    """A dense layer with int8 weights, one scale for each output.

    Inputs are rounded to a grid, which the first call lays over the range of its own input. From
    then on each sequence uses that grid, doubled or halved until it holds the sequence: what it is
    rounded to depends on itself alone, and yet nearly all sequences use one grid, so that they
    share a product. Beside a grid for each sequence, 64 positions took 0.7 of the time; over real
    texts the lowest cosine to float32 was 0.99986 instead of 0.99989 with normal weights, 0.994
    instead of 0.996 with heavy-tailed ones.

    Args:
        kernel: Array of shape `(inputs, outputs)`.
        bias: Array of shape `(outputs,)`.
    """

    def __init__(self, kernel: np.ndarray, bias: np.ndarray) -> None:
        weight = as_tensor(kernel).T
        low, high = torch.aminmax(weight, dim=1)
        largest = largest_weight(torch.cpu.get_capabilities())
        # A kernel of zeros has no scale of its own; any will do.
        self._scales = torch.maximum(-low, high).float().clamp(min=_SMALLEST_SCALE) / largest
        rounded = torch.cat(
            [
                (rows / scales[:, None]).round_().to(torch.int8)
                for rows, scales in zip(weight.split(256), self._scales.split(256), strict=True)
            ]
        )
        self._packed = pack_int8(rounded)
        self._inputs, self._outputs = kernel.shape
        self._bias = as_tensor(bias).float()
        self._grid: Grid | None = None
        release(kernel)

    def __call__(self, x: torch.Tensor, activation: Activation = "none") -> torch.Tensor:
        """Apply the layer; see `Dense`."""
        fused: Activation = "gelu" if activation == "gelu" else "none"
        result = _joined(
            [self._product(q, grid, activation=fused) for q, grid in self._quantise(x)]
        )
        return torch.tanh(result) if activation == "tanh" else result

    def keeps_rows(self, activation: Activation = "none") -> bool:
        """Return whether sequences may be given together; see `Dense`."""
        # A tanh is torch's own, which no trial looks at.
        return activation != "tanh" and all(
            keeps_rows(Int8Product(self._inputs, self._outputs, activation, rounded))
            for rounded in (False, True)
        )

    def gelu_then(self, following: Int8Dense, x: torch.Tensor) -> torch.Tensor:
        """Apply the layer, gelu, and another layer; see `Dense`.

        What lies between is rounded to the second layer's grid as the product writes it, and only
        then looked at: a sequence that the grid does not suit goes through again, with one of its
        own.
        """
        if following._grid is None:
            inner = self(x, "gelu")
            following._grid = _for_gelu(inner.nan_to_num(0.0, 0.0, 0.0).max().item())
            return following(inner)
        grid = following._grid
        runs = self._quantise(x)
        inner = _joined([self._product(q, own, activation="gelu", into=grid) for q, own in runs])
        result = following._product(inner, grid)
        finite = [own.is_finite for q, own in runs for _ in q]
        for index, suited in enumerate(grid.suits(inner)):
            if not (suited and finite[index]):
                alone = slice(index, index + 1)
                exact = self(x[alone], "gelu")
                own = Grid.over(exact.min().item(), exact.max().item())
                result[alone] = following._product(own.quantise(exact), own)
        return result

    def _quantise(self, x: torch.Tensor) -> list[tuple[torch.Tensor, Grid]]:
        """Return runs of neighbouring sequences that use one grid, rounded to it."""
        flat = x.flatten(1)
        ranges = list(zip(flat.amin(1).tolist(), flat.amax(1).tolist(), strict=True))
        if self._grid is None:
            self._grid = _for_both_signs(ranges)
        grids = [self._grid.fitted(low, high) for low, high in ranges]
        runs = [(grid, len(list(run))) for grid, run in itertools.groupby(grids)]
        parts = x.split([size for _, size in runs])
        return [(grid.quantise(q), grid) for q, (grid, _) in zip(parts, runs, strict=True)]

    def _product(
        self,
        quantised: torch.Tensor,
        grid: Grid,
        *,
        activation: Activation = "none",
        into: Grid | None = None,
    ) -> torch.Tensor:
        product = Int8Product(self._inputs, self._outputs, activation, rounded=into is not None)

        def multiply(rows: torch.Tensor) -> torch.Tensor:
            return multiply_int8(
                rows,
                (grid.scale, grid.zero_point),
                self._packed,
                self._scales,
                self._bias,
                activation,
                (into.scale, into.zero_point) if into else None,
            )

        return by_rows(product, multiply, quantised)


def largest_weight(capabilities: Mapping[str, Any]) -> int:
    """Return what the largest weight of an output is rounded to.

    An x86 processor without VNNI adds up two products in 16 bits, which overflow beyond 64.
    """
    if capabilities.get("architecture") != "x86_64":
        return 127
    return 127 if capabilities.get("avx512_vnni") or capabilities.get("avx_vnni") else 64


def _for_both_signs(ranges: Sequence[tuple[float, float]]) -> Grid:
    """Return a grid over all finite ranges, with room on the other side of zero."""
    finite = [ends for ends in ranges if all(map(math.isfinite, ends))] or [(0.0, 0.0)]
    low, high = min(low for low, _ in finite), max(high for _, high in finite)
    return Grid.over(min(low, -high / 4), max(high, -low / 4))


def _for_gelu(high: float) -> Grid:
    """Return a grid for a gelu's results, no less fine above zero than where they are all small."""
    return Grid.over(_LOWEST_GELU, max(high, -3 * _LOWEST_GELU))


def _joined(parts: Sequence[torch.Tensor]) -> torch.Tensor:
    """Return the parts as one tensor; a single part is not copied."""
    return parts[0] if len(parts) == 1 else torch.cat(tuple(parts))
