"""Dropout that draws 16 bits for a value."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F

_LEAST, _VALUES, _PER_DRAW = -(1 << 63), 1 << 16, 4


def dropout(x: torch.Tensor, share: float) -> torch.Tensor:
    """Set a share of the values to 0, by torch's own generator, and scale the others up.

    On a CPU, torch draws one number after the other, and a float32 for each value: of a training
    step, that was a ninth. 64 bits are drawn as fast, and decide on four values.
    """
    if not share:
        return x
    return _Dropout.apply(x, share) if x.device.type == "cpu" else F.dropout(x, share)


class _Dropout(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, share: float) -> torch.Tensor:
        drawn = torch.empty(-(-x.numel() // _PER_DRAW), dtype=torch.int64).random_(_LEAST, None)
        bits = drawn.view(torch.int16)[: x.numel()].view_as(x)
        highest_dropped = max(0, round(share * _VALUES) - 1) - _VALUES // 2
        kept = bits > highest_dropped
        ctx.save_for_backward(kept)
        ctx.scale = 1 / (1 - share)
        return (x * ctx.scale).mul_(kept)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None]:
        [kept] = ctx.saved_tensors
        return (gradients[0] * ctx.scale).mul_(kept), None
