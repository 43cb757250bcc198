"""Fourier mixing in torch, added to its input as the layers need it, in two exact forms.

The input is real, so half of the transform's columns determine the other half:
`Re F[n, hidden - k] = Re F[-n mod sequence, k]`. The forms differ in how they compute the first
half, `Re F[:, :hidden // 2 + 1]`; `benchmarks/mixing.py` measures both.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import torch

HalfTransform = Callable[[torch.Tensor], torch.Tensor]


def choose_half_transform(
    sequence: int, hidden: int, *, device: torch.device, dtype: torch.dtype
) -> HalfTransform:
    """Return the form to use.

    On the CPU the FFT wins at every length and dtype: on two AVX-512 cores, at 768 columns and 64
    to 512 positions, products took 7 times as long in float32 and 12 times in bfloat16. On a GPU
    in bfloat16, cuFFT has no such type and is bound by memory, while products run on the tensor
    cores; chosen for that reason, not yet measured.
    """
    if device.type != "cpu" and dtype == torch.bfloat16:
        return HalfByProducts(sequence, hidden, device=device, dtype=dtype)
    return half_by_fft


def half_by_fft(x: torch.Tensor) -> torch.Tensor:
    """Return the real part of the transform's first columns, by the fast transform of real input.

    It takes float32 `(batch, sequence, hidden)` and gives `(batch, sequence, hidden // 2 + 1)`.
    """
    return torch.fft.rfft2(x).real


class HalfByProducts:
    """The same by products with constant matrices of cosines and sines.

    Rows obey a symmetry too: with `P` the product of the cosines and `Q` that of the sines, row
    `n` is `P - Q` and row `-n` is `P + Q`, so that half of the rows are multiplied. The products
    run in `dtype` and are summed up in float32.
    """

    def __init__(
        self, sequence: int, hidden: int, *, device: torch.device, dtype: torch.dtype
    ) -> None:
        place = {"device": device, "dtype": dtype}
        self._columns = torch.cat(_cosines_and_sines(hidden), dim=1).to(**place)
        self._cosines, self._sines = (m.T.to(**place) for m in _cosines_and_sines(sequence))

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """Transform; see `half_by_fft`."""
        by_cosines, by_sines = (x.to(self._columns.dtype) @ self._columns).chunk(2, dim=-1)
        p = (self._cosines @ by_cosines).float()
        q = (self._sines @ by_sines).float()
        rows_twice = (x.shape[1] + 1) // 2
        return torch.cat([p - q, (p + q)[:, 1:rows_twice].flip(1)], dim=1)


def add_mixing_(x: torch.Tensor, half_transform: HalfTransform = half_by_fft) -> torch.Tensor:
    """Add to each value its Fourier mixing: `x + Re(FFT2(x))`, in place and returned.

    The tensor is float32 `(batch, sequence, hidden)`.
    """
    hidden = x.shape[-1]
    columns = hidden // 2 + 1
    half = half_transform(x)
    mirrored = half[..., 1 : (hidden + 1) // 2]
    x[..., :columns] += half
    x[:, :1, columns:] += mirrored[:, :1].flip(2)
    x[:, 1:, columns:] += mirrored[:, 1:].flip(1, 2)
    return x


def transforms_alike(batch: int, sequence: int, hidden: int) -> bool:
    """Return whether `half_by_fft` gives each sequence of a batch the same bits as alone.

    Which operations it does, and in which order, follows from the shape and not from the numbers.
    """
    return batch == 1 or _transforms_alike((batch, sequence, hidden), torch.get_num_threads())


@functools.cache
def _transforms_alike(shape: tuple[int, int, int], threads: int) -> bool:
    del threads  # it may decide about the order, too
    x = torch.randn(
        shape, generator=torch.Generator().manual_seed(0), dtype=torch.float32, device="cpu"
    )
    alone = [half_by_fft(part.clone()) for part in x.split(1)]
    return torch.equal(half_by_fft(x), torch.cat(alone))


def add_mixing_at_first(x: torch.Tensor) -> torch.Tensor:
    """Return what `add_mixing_` gives at the first position: the sum over positions, transformed.

    It takes float32 `(batch, sequence, hidden)` and gives `(batch, 1, hidden)`.
    """
    # One by one: in a larger batch, a sum over positions may be taken in another order.
    sums = [torch.fft.fft(part.sum(dim=1, keepdim=True)).real for part in x.split(1)]
    return x[:, :1] + torch.cat(sums)


def _cosines_and_sines(size: int) -> list[torch.Tensor]:
    """Float64 matrices of shape `(size, size // 2 + 1)`."""
    indices = torch.arange(size, device="cpu")
    products = indices[:, None] * indices[: size // 2 + 1]
    angles = (products % size).double() * (2 * math.pi / size)
    return [torch.cos(angles), torch.sin(angles)]
