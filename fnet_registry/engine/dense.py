"""Dense layers as the engine runs them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol, Self

import numpy as np
import torch
import torch.nn.functional as F

from fnet_registry.engine.arrays import as_tensor, release
from fnet_registry.engine.products import Activation, activate, multiply_fused, pack
from fnet_registry.engine.rows import TRIAL_ROWS, by_rows, keeps_rows


def product_dtype(dtype: torch.dtype, device: torch.device) -> torch.dtype:
    """Return what products run in for a `dtype`: itself, or float32 where that is faster."""
    if dtype == torch.bfloat16 and device.type == "cpu":
        return dtype if multiplies_bfloat16_fast(torch.cpu.get_capabilities()) else torch.float32
    return dtype


def multiplies_bfloat16_fast(capabilities: Mapping[str, Any]) -> bool:
    """Return whether a CPU's products are faster in bfloat16 than in float32.

    AMX is made for them; AMD's AVX512_BF16 is 1.8 times as fast as float32 (Zen 4), while Intel's
    without AMX takes 1.8 times as long (Emerald Rapids); where there is no instruction at all,
    every value is converted first. ARM's instructions are taken to be fast. The answer comes from
    the kind of processor and not from a trial, so that it is the same for all workers of a node.
    """
    if capabilities.get("amx_bf16") or capabilities.get("bf16"):
        return True
    made_by_amd = str(capabilities.get("cpu_name", "")).startswith("AMD")
    return made_by_amd and bool(capabilities.get("avx512_bf16"))


class Dense(Protocol):
    """A dense layer with its weights."""

    def __call__(self, x: torch.Tensor, activation: Activation = "none") -> torch.Tensor:
        """Apply the layer and an activation: `(…, inputs)` to `(…, outputs)`."""
        ...

    def keeps_rows(self, activation: Activation = "none") -> bool:
        """Return whether sequences given together each have the bits that they have alone."""
        ...

    def gelu_then(self, following: Self, x: torch.Tensor) -> torch.Tensor:
        """Apply the layer, gelu, and another layer of the same kind to `(batch, …, inputs)`."""
        ...


@dataclass(frozen=True)
class FloatProduct:
    """A product in float32 or bfloat16, with its activation; see `rows.Product`.

    Args:
        inputs: Columns of the input.
        outputs: Columns of the result.
        dtype: What it is computed in.
        activation: What is applied to the result.
        fused: Whether oneDNN computes it, activation included.
        packed: Whether the weight is packed for oneDNN.
    """

    inputs: int
    outputs: int
    dtype: torch.dtype
    activation: Activation
    fused: bool
    packed: bool

    @property
    def standard(self) -> Self:
        """The same with packed weights, for workers that share theirs do not pack them."""
        return replace(self, packed=self.fused)

    def multiply(self, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        """Multiply rows as they come; see `multiply_fused`."""
        if self.fused:
            return multiply_fused(x, weight, bias, self.activation)
        return activate(F.linear(x, weight, bias), self.activation)

    def trial(self, rows: int) -> torch.Tensor:
        """Return sums whose terms cancel out, so that nothing but rounding errors is left of them.

        Another order of summation leaves other errors in most of them. Any other numbers would
        hide it in bfloat16, whose own rounding is coarser than nearly all of the errors.
        """
        seeded = torch.Generator().manual_seed(0)
        half = self.inputs // 2
        order = torch.randperm(self.inputs, generator=seeded)
        left, right = order[:half], order[half : 2 * half]
        x = torch.zeros(TRIAL_ROWS, self.inputs, dtype=torch.float32)
        x[:, left] = torch.randn(TRIAL_ROWS, half, generator=seeded, dtype=torch.float32)
        x[:, right] = -x[:, left]
        weight = torch.randn(
            min(self.outputs, 64), self.inputs, generator=seeded, dtype=torch.float32
        )
        weight[:, right] = weight[:, left]
        weight = weight.to(self.dtype)[torch.arange(self.outputs) % len(weight)]
        return self.multiply(
            x.to(self.dtype)[torch.arange(rows) % TRIAL_ROWS],
            pack(weight) if self.packed else weight,
            torch.zeros(self.outputs, dtype=self.dtype),
        )


class FloatDense:
    """A dense layer in float32 or bfloat16.

    On the CPU it runs in oneDNN, with the activation fused into the product. Measured on an Intel
    Xeon with AVX-512, two threads, the pair 768 by 3072 by 768 with its gelu, at 64, 128 and 512
    rows: 217, 254 and 285 GFLOP/s as the weights lie, 228, 262 and 292 with weights packed
    beforehand, against 189, 227 and 261 for MKL's products and a gelu by itself; on AMD, MKL's
    products alone are slower than that. Packing makes a copy, so weights that already lie as
    `(outputs, inputs)` in the compute dtype, as those that several workers share, are left so
    where the result is the same to the last bit.

    Args:
        kernel: Array of shape `(inputs, outputs)`.
        bias: Array of shape `(outputs,)`.
        device: Where the layer runs.
        dtype: `torch.float32` or `torch.bfloat16`.
    """

    def __init__(
        self, kernel: np.ndarray, bias: np.ndarray, *, device: torch.device, dtype: torch.dtype
    ) -> None:
        weight = as_tensor(_by_outputs(kernel)).to(device, dtype)
        self._bias = as_tensor(bias).to(device, dtype)
        self._in_rows = device.type == "cpu"
        fused = self._in_rows and torch.backends.mkldnn.is_available()
        inputs, outputs = kernel.shape
        self._product = FloatProduct(inputs, outputs, dtype, "none", fused, packed=False)
        copied = weight.data_ptr() != kernel.ctypes.data
        if fused and (copied or not keeps_rows(self._product)):
            weight = pack(weight)
            self._product = self._product.standard
        self._weight = weight
        release(kernel)

    def __call__(self, x: torch.Tensor, activation: Activation = "none") -> torch.Tensor:
        """Apply the layer; see `Dense`."""
        product = replace(self._product, activation=activation)

        def multiply(rows: torch.Tensor) -> torch.Tensor:
            return product.multiply(rows, self._weight, self._bias)

        x = x.to(product.dtype)
        return by_rows(product, multiply, x) if self._in_rows else multiply(x)

    def keeps_rows(self, activation: Activation = "none") -> bool:
        """Return whether sequences may be given together; see `Dense`."""
        return keeps_rows(replace(self._product, activation=activation))

    def gelu_then(self, following: FloatDense, x: torch.Tensor) -> torch.Tensor:
        """Apply the layer, gelu, and another layer; see `Dense`."""
        return following(self(x, "gelu"))


def _by_outputs(kernel: np.ndarray) -> np.ndarray:
    """Return the kernel as `(outputs, inputs)`, row by row; a copy unless it lies so already."""
    if kernel.flags.f_contiguous:
        return kernel.T
    # Torch's copy is 4 times as fast as numpy's, but memory of torch's, which is aligned, would
    # leave a hole in the heap for each layer.
    weight = np.empty(kernel.shape[::-1], kernel.dtype)
    as_tensor(weight).copy_(as_tensor(kernel).T)
    return weight
