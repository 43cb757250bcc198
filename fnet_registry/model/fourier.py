"""Fourier mixing in `keras.ops`."""

from __future__ import annotations

from typing import Any

from fnet_registry.model.keras_backend import ops


def fourier_mixing(inputs: Any) -> Any:
    """Mix all positions and features: the real part of the two-dimensional Fourier transform.

    Computed in float32 whatever the input's type, for half precision overflows: the transform's
    first value is the sum of all inputs. Section 3.1 of "FNet: Mixing Tokens with Fourier
    Transforms" (Lee-Thorp et al., 2021).

    Args:
        inputs: Tensor of shape `(batch, sequence, hidden)`.

    Returns:
        Float32 tensor of the same shape.
    """
    real = ops.cast(inputs, "float32")
    mixed, _ = ops.fft2((real, ops.zeros_like(real)))
    return mixed
