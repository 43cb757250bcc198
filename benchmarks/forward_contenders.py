"""The ways to run FNet that are compared: each a function from token ids to the sequence output."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

Forward = Callable[[np.ndarray], np.ndarray]


def engine(folder: Path, *, dtype: str = "float32", quantised: bool = False) -> Forward:
    import torch

    from fnet_registry.engine.engine import Engine
    from fnet_registry.presets.checkpoint import read_checkpoint

    model = Engine(read_checkpoint(folder / "kerashub"), dtype=dtype, quantised=quantised)  # type: ignore[arg-type]
    return lambda ids: model.sequence_outputs(torch.from_numpy(ids)).numpy()


def kerashub(folder: Path, *, backend: str, dtype: str = "float32") -> Forward:
    os.environ["KERAS_BACKEND"] = backend
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    import keras_hub

    model = keras_hub.models.FNetBackbone.from_preset(str(folder / "kerashub"), dtype=dtype)

    def inputs(ids: np.ndarray) -> dict[str, np.ndarray]:
        return {"token_ids": ids, "segment_ids": np.zeros_like(ids)}

    if backend == "torch":  # a direct call is faster there than `predict`
        import torch

        def call(ids: np.ndarray) -> np.ndarray:
            with torch.inference_mode():
                return model(inputs(ids))["sequence_output"].float().numpy()

        return call
    return lambda ids: np.asarray(model.predict_on_batch(inputs(ids))["sequence_output"], "f4")


def transformers(folder: Path) -> Forward:
    import torch
    from transformers import FNetModel

    model = FNetModel.from_pretrained(folder / "transformers").eval()

    def call(ids: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return model(torch.from_numpy(ids).long()).last_hidden_state.numpy()

    return call


def dense_products(folder: Path, *, library: str, dtype: str = "float32") -> Forward:
    """The dense products of the layers and nothing else: what a forward pass cannot undercut.

    MKL's run over the whole batch, oneDNN's over as many rows at a time as the engine's: each as it
    is best.
    """
    import torch
    import torch.nn.functional as F

    from fnet_registry.engine.dense import FloatDense
    from fnet_registry.engine.products import FULL_SPEED_ROWS
    from fnet_registry.presets.checkpoint import read_checkpoint

    checkpoint = read_checkpoint(folder / "kerashub")
    names = [
        f"layers.{index}.{part}"
        for index in range(checkpoint.config.num_layers)
        for part in ("intermediate", "output")
    ]
    pairs = [(checkpoint.arrays[f"{n}.kernel"], checkpoint.arrays[f"{n}.bias"]) for n in names]
    products: list[Callable[[Any], Any]]
    compute = torch.uint8 if dtype == "int8" else getattr(torch, dtype)
    if dtype == "int8":
        products = [int8_product(*pair) for pair in pairs]
    elif library == "oneDNN":
        cpu = torch.device("cpu")
        products = [FloatDense(*pair, device=cpu, dtype=compute) for pair in pairs]
    else:
        weights = [[torch.tensor(np.asarray(v)).to(compute) for v in pair] for pair in pairs]
        products = [lambda x, w=w, b=b: F.linear(x, w.T, b) for w, b in weights]

    @torch.inference_mode()
    def call(ids: np.ndarray) -> np.ndarray:
        rows = torch.ones(ids.size, checkpoint.config.hidden_dim, dtype=compute)
        for x in [rows] if library == "MKL" else rows.split(FULL_SPEED_ROWS):
            for up, down in zip(products[::2], products[1::2], strict=True):
                down(up(x))
        return np.empty(0)

    return call


def int8_product(kernel: np.ndarray, bias: np.ndarray) -> Callable[[Any], Any]:
    """A product of what is uint8 already, written as uint8 where another product follows."""
    from fnet_registry.engine.int8 import Grid, Int8Dense

    layer, grid = Int8Dense(kernel, bias), Grid.over(-1.0, 1.0)
    inputs, outputs = kernel.shape
    return lambda x: layer._product(x, grid, into=grid if outputs > inputs else None)


CONTENDERS: dict[str, Callable[[Path], Forward]] = {
    "fnet-registry float32": engine,
    "KerasHub on JAX float32": lambda folder: kerashub(folder, backend="jax"),
    "KerasHub on TensorFlow float32": lambda folder: kerashub(folder, backend="tensorflow"),
    "KerasHub on torch float32": lambda folder: kerashub(folder, backend="torch"),
    "Transformers float32": transformers,
    "limit: dense products, MKL float32": lambda f: dense_products(f, library="MKL"),
    "limit: dense products, oneDNN float32": lambda f: dense_products(f, library="oneDNN"),
    "fnet-registry bfloat16": lambda folder: engine(folder, dtype="bfloat16"),
    "KerasHub on JAX bfloat16": lambda f: kerashub(f, backend="jax", dtype="bfloat16"),
    "KerasHub on TensorFlow bfloat16": lambda f: kerashub(
        f, backend="tensorflow", dtype="bfloat16"
    ),
    "KerasHub on torch bfloat16": lambda f: kerashub(f, backend="torch", dtype="bfloat16"),
    "limit: dense products, oneDNN bfloat16": lambda f: dense_products(
        f, library="oneDNN", dtype="bfloat16"
    ),
    "fnet-registry int8": lambda folder: engine(folder, quantised=True),
    "limit: dense products, oneDNN int8": lambda f: dense_products(
        f, library="oneDNN", dtype="int8"
    ),
}
