"""Fourier mixing in torch."""

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
    half = torch.fft.rfft2(x).real
    mirrored = half[..., 1 : (hidden + 1) // 2].flip(-1)
    mixed = x.clone()
    mixed[..., : hidden // 2 + 1] += half
    mixed[:, :1, hidden // 2 + 1 :] += mirrored[:, :1]
    mixed[:, 1:, hidden // 2 + 1 :] += mirrored[:, 1:].flip(1)
    return mixed
