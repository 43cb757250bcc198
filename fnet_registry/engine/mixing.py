"""Fourier mixing in torch, added to its input as the layers need it."""

import torch


def add_mixing(x: torch.Tensor) -> torch.Tensor:
    """Adds to each value its Fourier mixing: `x + Re(FFT2(x))`.

    The input is real, so half of the transform's columns determine the other half:
    `Re F[n, hidden - k] = Re F[-n mod sequence, k]`.

    Args:
        x: Float32 tensor of shape `(batch, sequence, hidden)`.

    Returns:
        A tensor of the same shape and type.
    """
    hidden = x.shape[-1]
    columns = hidden // 2 + 1
    half = torch.fft.rfft2(x).real
    mirrored = half[..., 1 : (hidden + 1) // 2].flip(1, 2).roll(1, 1)
    mixed = torch.empty_like(x)
    torch.add(x[..., :columns], half, out=mixed[..., :columns])
    torch.add(x[..., columns:], mirrored, out=mixed[..., columns:])
    return mixed


def add_mixing_at_first(x: torch.Tensor) -> torch.Tensor:
    """What `add_mixing` gives at the first position: the transform of the sum over positions.

    Args:
        x: Float32 tensor of shape `(batch, sequence, hidden)`.

    Returns:
        Float32 tensor of shape `(batch, 1, hidden)`.
    """
    return x[:, :1] + torch.fft.fft(x.sum(dim=1, keepdim=True)).real
