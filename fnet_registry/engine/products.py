"""oneDNN's products on the CPU, behind operators that torch keeps to itself: all are named here."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F

Activation = Literal["none", "gelu", "tanh"]

FULL_SPEED_ROWS = 1024
"""Rows from which on a product on the CPU gets no faster: in float32 512, in int8 1,024."""


def activate(x: torch.Tensor, activation: Activation) -> torch.Tensor:
    """Apply an activation by itself; `gelu` is the tanh approximation."""
    if activation == "gelu":
        return F.gelu(x, approximate="tanh")
    return torch.tanh(x) if activation == "tanh" else x


def pack(weight: torch.Tensor) -> torch.Tensor:
    """Return a copy of a float weight `(outputs, inputs)` as `multiply_fused` reads it fastest."""
    return torch.ops.mkldnn._reorder_linear_weight(weight, FULL_SPEED_ROWS)


def multiply_fused(
    x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, activation: Activation
) -> torch.Tensor:
    """Return a dense layer with its activation in one pass.

    Args:
        x: Tensor of shape `(rows, inputs)`.
        weight: Tensor of shape `(outputs, inputs)` and the same dtype, packed or not.
        bias: Tensor of shape `(outputs,)` and the same dtype.
        activation: `gelu` is the tanh approximation.

    Returns:
        Tensor of shape `(rows, outputs)` and the same dtype.
    """
    algorithm = "tanh" if activation == "gelu" else ""
    return torch.ops.mkldnn._linear_pointwise(x, weight, bias, activation, [], algorithm)


def pack_int8(weight: torch.Tensor) -> torch.Tensor:
    """Return a copy of an int8 weight `(outputs, inputs)` as `multiply_int8` reads it."""
    return torch.ops.onednn.qlinear_prepack(weight, None)


def multiply_int8(
    x: torch.Tensor,
    x_grid: tuple[float, int],
    weight: torch.Tensor,
    scales: torch.Tensor,
    bias: torch.Tensor,
    activation: Activation,
    result_grid: tuple[float, int] | None = None,
) -> torch.Tensor:
    """Return a dense layer over uint8 inputs and int8 weights, with its activation in one pass.

    Args:
        x: Uint8 tensor of shape `(…, inputs)`.
        x_grid: Scale and zero point of the inputs.
        weight: What `pack_int8` made of the weights of shape `(outputs, inputs)`.
        scales: Float32 tensor of shape `(outputs,)`: the weights' scales.
        bias: Float32 tensor of shape `(outputs,)`.
        activation: `none` or `gelu`, the tanh approximation.
        result_grid: Scale and zero point to round the result to; None leaves it as it is.

    Returns:
        Tensor of shape `(…, outputs)`, uint8 where it is rounded, float32 elsewhere.
    """
    return torch.ops.onednn.qlinear_pointwise(
        x,
        *x_grid,
        weight,
        scales,
        torch.zeros(len(scales), dtype=torch.int32, device=x.device),
        bias,
        *(result_grid or (1.0, 0)),
        torch.uint8 if result_grid else torch.float32,
        activation,
        [],
        "tanh" if activation == "gelu" else "",
    )
