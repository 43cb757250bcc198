"""Dense layers as the engine runs them."""

from collections.abc import Mapping
from typing import Any, Literal, Protocol, Self

import numpy as np
import torch
import torch.nn.functional as F

from fnet_registry.engine.arrays import as_tensor, release

Activation = Literal["none", "gelu", "tanh"]

FULL_SPEED_ROWS = 1024
"""Rows from which on a product on the CPU gets no faster: in float32 512, in int8 1,024."""


def product_dtype(dtype: torch.dtype, device: torch.device) -> torch.dtype:
    """What products run in where `dtype` is asked for: itself, or float32 where that is faster.

    Args:
        dtype: `torch.float32` or `torch.bfloat16`.
        device: Where they run.
    """
    if dtype == torch.bfloat16 and device.type == "cpu":
        return dtype if multiplies_bfloat16_fast(torch.cpu.get_capabilities()) else torch.float32
    return dtype


def multiplies_bfloat16_fast(capabilities: Mapping[str, Any]) -> bool:
    """Whether a CPU's products are faster in bfloat16 than in float32.

    AMX is made for them; AMD's AVX512_BF16 is 1.8 times as fast as float32 (Zen 4), while Intel's
    without AMX takes 1.8 times as long (Emerald Rapids); where there is no instruction at all,
    every value is converted first. ARM's instructions are taken to be fast. The answer comes from
    the kind of processor and not from a trial, so that it is the same for all workers of a node.

    Args:
        capabilities: As `torch.cpu.get_capabilities` gives them.
    """
    if capabilities.get("amx_bf16") or capabilities.get("bf16"):
        return True
    made_by_amd = str(capabilities.get("cpu_name", "")).startswith("AMD")
    return made_by_amd and bool(capabilities.get("avx512_bf16"))


class Dense(Protocol):
    """A dense layer with its weights."""

    def __call__(self, x: torch.Tensor, activation: Activation = "none") -> torch.Tensor:
        """Applies the layer.

        Args:
            x: Tensor of shape `(…, inputs)`.
            activation: Applied to the result; `gelu` is the tanh approximation.

        Returns:
            Tensor of shape `(…, outputs)`.
        """
        ...

    def gelu_then(self, following: Self, x: torch.Tensor) -> torch.Tensor:
        """Applies the layer, gelu, and another layer of the same kind.

        Args:
            following: The other layer.
            x: Tensor of shape `(batch, …, inputs)`.

        Returns:
            Tensor of shape `(batch, …, outputs)`, with the other layer's outputs.
        """
        ...


class FloatDense:
    """A dense layer in float32 or bfloat16.

    On the CPU it runs in oneDNN, with the activation fused into the product. Measured on an Intel
    Xeon with AVX-512, two threads, the pair 768 by 3072 by 768 with its gelu, at 64, 128 and 512
    rows: 217, 254 and 285 GFLOP/s as the weights lie, 228, 262 and 292 with weights packed
    beforehand, against 189, 227 and 261 for MKL's products and a gelu by itself; on AMD, MKL's
    products alone are slower than that. Packing makes a copy, so weights that already lie as
    `(outputs, inputs)` in the compute dtype, as those that several workers share, are left so:
    the result is the same to the last bit.

    Args:
        kernel: Array of shape `(inputs, outputs)`.
        bias: Array of shape `(outputs,)`.
        device: Where the layer runs.
        dtype: `torch.float32` or `torch.bfloat16`.
    """

    def __init__(
        self, kernel: np.ndarray, bias: np.ndarray, *, device: torch.device, dtype: torch.dtype
    ) -> None:
        self._dtype = dtype
        weight = as_tensor(_by_outputs(kernel)).to(device, dtype)
        self._bias = as_tensor(bias).to(device, dtype)
        self._fused = device.type == "cpu" and torch.backends.mkldnn.is_available()
        if self._fused and weight.data_ptr() != kernel.ctypes.data:
            weight = torch.ops.mkldnn._reorder_linear_weight(weight, FULL_SPEED_ROWS)
        self._weight = weight
        release(kernel)

    def __call__(self, x: torch.Tensor, activation: Activation = "none") -> torch.Tensor:
        """Applies the layer; see `Dense`."""
        x = x.to(self._dtype)
        if not self._fused:
            return activate(F.linear(x, self._weight, self._bias), activation)
        if x.numel() == x.shape[-1]:
            # A single row has a kernel of its own there, of another order of summation.
            return self._product(torch.cat([x, x]), activation)[: len(x)]
        return self._product(x, activation)

    def gelu_then(self, following: "FloatDense", x: torch.Tensor) -> torch.Tensor:
        """Applies the layer, gelu, and another layer; see `Dense`."""
        return following(self(x, "gelu"))

    def _product(self, x: torch.Tensor, activation: Activation) -> torch.Tensor:
        algorithm = "tanh" if activation == "gelu" else ""
        return torch.ops.mkldnn._linear_pointwise(
            x, self._weight, self._bias, activation, [], algorithm
        )


def _by_outputs(kernel: np.ndarray) -> np.ndarray:
    """The kernel as `(outputs, inputs)`, row by row; a copy unless it lies so already."""
    if kernel.flags.f_contiguous:
        return kernel.T
    # Torch's copy is 4 times as fast as numpy's, but memory of torch's, which is aligned, would
    # leave a hole in the heap for each layer.
    weight = np.empty(kernel.shape[::-1], kernel.dtype)
    as_tensor(weight).copy_(as_tensor(kernel).T)
    return weight


def activate(x: torch.Tensor, activation: Activation) -> torch.Tensor:
    """Applies an activation by itself.

    Args:
        x: Tensor of any shape.
        activation: As in `Dense`.
    """
    if activation == "gelu":
        return F.gelu(x, approximate="tanh")
    return torch.tanh(x) if activation == "tanh" else x
