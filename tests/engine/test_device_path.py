"""What an accelerator is given to do, on torch's device without numbers: shapes, types, places.

No card computes anything here. Equal bits rest on this: kernels choose their order of summation by
the shape, so a sequence keeps its bits in any batch where all batches have the same shapes.
"""

from collections.abc import Callable
from typing import Any, get_args

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from fnet_registry.encoding.pooling import POOLINGS
from fnet_registry.engine.engine import ComputeDtype, Engine
from fnet_registry.presets.checkpoint import Checkpoint

LENGTH = 16
DTYPES = get_args(ComputeDtype)


class Watched(TorchDispatchMode):
    """Notes each operation on the device, with the shapes and types that it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[tuple[str, tuple[str, ...]]] = set()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> torch.Tensor:
        given = [each for each in args if isinstance(each, torch.Tensor) and each.is_meta]
        if given:
            shapes = tuple(f"{each.dtype} {tuple(each.shape)}" for each in given)
            self.seen.add((str(func), shapes))
        return func(*args, **(kwargs or {}))

    @property
    def computing(self) -> set[tuple[str, tuple[str, ...]]]:
        """All that adds up numbers."""
        adding = ("mm", "fft", "sum", "mean", "layer_norm", "linear", "matmul")
        return {each for each in self.seen if any(word in each[0] for word in adding)}


def outputs(engine: Engine, pooling: str, batch: int) -> torch.Tensor:
    ids = torch.ones(batch, LENGTH, dtype=torch.int64)
    lengths = [1 + row % LENGTH for row in range(batch)]
    return engine.head_outputs(POOLINGS[pooling](engine, ids, lengths))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("pooling", POOLINGS)
def test_vectors_come_from_the_device_in_float32(
    pooling: str, dtype: ComputeDtype, checkpoint: Checkpoint
) -> None:
    vectors = outputs(Engine(checkpoint, device="meta", dtype=dtype), pooling, 5)
    assert (vectors.device.type, vectors.dtype) == ("meta", torch.float32)
    assert vectors.shape == (5, checkpoint.dim)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("pooling", POOLINGS)
def test_what_adds_up_has_the_same_shapes_in_any_batch(
    pooling: str, dtype: ComputeDtype, checkpoint: Checkpoint
) -> None:
    engine = Engine(checkpoint, device="meta", dtype=dtype)
    seen = []
    for batch in (1, 5, 32, 33, 70):
        with Watched() as watched:
            outputs(engine, pooling, batch)
        seen.append(watched.computing)
    assert seen[0]
    assert all(each == seen[0] for each in seen)


def test_the_mean_in_fixed_shapes_is_the_mean(checkpoint: Checkpoint) -> None:
    engine, lengths = Engine(checkpoint), [1, 3, LENGTH]
    ids = torch.randint(1000, (3, LENGTH), generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        fixed = engine._fixed_means(ids, lengths)
    torch.testing.assert_close(fixed, engine.mean_outputs(ids, lengths), rtol=0, atol=1e-5)


def shapes_of(watch: Callable[[], object]) -> set[str]:
    with Watched() as watched:
        watch()
    return {shape for name, shapes in watched.seen if "mm" in name for shape in shapes}


def test_products_run_in_the_dtype_that_was_asked_for(checkpoint: Checkpoint) -> None:
    for dtype in DTYPES:
        engine = Engine(checkpoint, device="meta", dtype=dtype)
        shapes = shapes_of(lambda engine=engine: outputs(engine, "cls", 5))
        assert all(shape.startswith(f"torch.{dtype} ") for shape in shapes)


def test_in_bfloat16_the_mixing_runs_as_products_too(checkpoint: Checkpoint) -> None:
    engine = Engine(checkpoint, device="meta", dtype="bfloat16")
    with Watched() as watched:
        outputs(engine, "pooled", 5)
    # The last layer's, at [CLS] alone, is one transform of a sum.
    assert sum("fft" in name for name, _ in watched.seen) <= 1
