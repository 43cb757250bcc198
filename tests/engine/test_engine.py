"""The engine: the Keras forward pass is its reference, bit equality its promise."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fnet_registry.engine import dense
from fnet_registry.engine.dense import FloatDense, multiplies_bfloat16_fast
from fnet_registry.engine.engine import Engine
from fnet_registry.engine.layout import laid_out_for_engine
from fnet_registry.engine.mixing import HalfByProducts, add_mixing_, half_by_fft
from fnet_registry.errors import ConfigError
from fnet_registry.model.backbone import FNetBackbone, build_backbone
from fnet_registry.presets.checkpoint import Checkpoint, read_checkpoint


@pytest.fixture
def products_in_bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    """Has bfloat16 computed as such on every machine."""
    monkeypatch.setattr(dense, "multiplies_bfloat16_fast", lambda _: True)


PRESETS = ["kerashub", "old_nlp082_keras215", "transformers_base", "transformers_bin"]


@pytest.mark.parametrize("preset", PRESETS)
def test_reproduces_the_outputs_of_the_tool_that_wrote_the_preset(
    preset: str, data_folder: Path
) -> None:
    engine = Engine(read_checkpoint(data_folder / preset))
    with np.load(data_folder / preset / "expected.npz") as expected:
        for j in range(4):
            sequences, pooled = engine.forward(
                torch.from_numpy(expected[f"token_ids_{j}"]),
                torch.from_numpy(expected[f"segment_ids_{j}"]),
            )
            np.testing.assert_allclose(sequences, expected[f"sequence_output_{j}"], atol=1e-5)
            np.testing.assert_allclose(pooled, expected[f"pooled_output_{j}"], atol=1e-5)


@pytest.mark.usefixtures("products_in_bfloat16")
@pytest.mark.parametrize(("dtype", "bound"), [("float32", 1e-5), ("bfloat16", 0.1)])
@pytest.mark.parametrize("length", [1, 2, 3, 16, 33, 64])
def test_follows_the_keras_model_at_every_length(
    dtype: str, bound: float, length: int, checkpoint: Checkpoint
) -> None:
    ids = np.random.default_rng(length).integers(1000, size=(3, length), dtype="int32")
    reference = build_backbone(checkpoint)({"token_ids": ids, "segment_ids": np.zeros_like(ids)})
    sequences, pooled = Engine(checkpoint, dtype=dtype).forward(torch.from_numpy(ids))  # type: ignore[arg-type]
    torch.testing.assert_close(sequences, reference["sequence_output"].detach(), rtol=0, atol=bound)
    torch.testing.assert_close(pooled, reference["pooled_output"].detach(), rtol=0, atol=bound)


@pytest.mark.parametrize(
    "shape", [(1, 1, 1), (2, 1, 5), (2, 7, 8), (1, 8, 7), (3, 2, 2), (1, 3, 1)]
)
@pytest.mark.parametrize("form", ["FFT", "products"])
def test_mixing_by_symmetry_equals_the_full_transform(
    form: str, shape: tuple[int, int, int]
) -> None:
    x = torch.randn(shape, dtype=torch.float32, generator=torch.Generator().manual_seed(1))
    expected = x.double() + torch.fft.fft2(x.to(torch.complex128)).real
    products = HalfByProducts(*shape[1:], device=x.device, dtype=x.dtype)
    mixed = add_mixing_(x.clone(), half_by_fft if form == "FFT" else products)
    torch.testing.assert_close(mixed.double(), expected, rtol=0, atol=1e-5)


@pytest.mark.usefixtures("products_in_bfloat16")
@pytest.mark.parametrize(
    "options", [{"dtype": "float32"}, {"dtype": "bfloat16"}, {"quantised": True}], ids=str
)
@pytest.mark.parametrize(("hidden", "length"), [(32, 64), (128, 16), (768, 24), (64, 600)])
def test_a_sequence_is_computed_alike_in_any_batch(
    options: dict[str, Any], hidden: int, length: int
) -> None:
    backbone = FNetBackbone(
        vocabulary_size=100,
        num_layers=2,
        hidden_dim=hidden,
        intermediate_dim=4 * hidden,
        max_sequence_length=length,
    )
    engine = Engine(backbone.to_checkpoint(), **options)
    ids = torch.randint(100, (35, length), generator=torch.Generator().manual_seed(0))
    together = engine.forward(ids)
    for size in (1, 2, 7):
        parts = [engine.forward(part) for part in ids.split(size)]
        for whole, pieces in zip(together, zip(*parts, strict=True), strict=True):
            assert torch.equal(whole, torch.cat(pieces))


@pytest.mark.usefixtures("products_in_bfloat16")
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_weights_of_either_layout_give_the_same_bits(dtype: str, checkpoint: Checkpoint) -> None:
    ids = torch.randint(1000, (9, 64), generator=torch.Generator().manual_seed(0))
    packed, viewed = (
        Engine(weights, dtype=dtype).forward(ids)  # type: ignore[arg-type]
        for weights in (checkpoint, laid_out_for_engine(checkpoint))
    )
    assert all(map(torch.equal, packed, viewed))


def test_arrays_that_are_laid_out_for_it_are_viewed_and_shared(checkpoint: Checkpoint) -> None:
    shared = laid_out_for_engine(checkpoint)
    layer = Engine(shared)._dense["layers.0.intermediate"]
    assert isinstance(layer, FloatDense)
    assert layer._weight.data_ptr() == shared.arrays["layers.0.intermediate.kernel"].ctypes.data
    assert np.shares_memory(
        laid_out_for_engine(shared).arrays["layers.0.output.kernel"],
        shared.arrays["layers.0.output.kernel"],
    )


@pytest.mark.parametrize("length", [1, 2, 17, 64])
def test_the_first_position_alone_is_what_the_whole_run_gives_there(
    length: int, checkpoint: Checkpoint
) -> None:
    engine = Engine(checkpoint)
    ids = torch.randint(1000, (3, length), generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(
        engine.first_outputs(ids), engine.sequence_outputs(ids)[:, 0], rtol=0, atol=1e-5
    )


def test_a_mean_is_that_of_the_whole_run_s_first_positions(checkpoint: Checkpoint) -> None:
    engine = Engine(checkpoint)
    ids = torch.randint(1000, (4, 64), generator=torch.Generator().manual_seed(0))
    lengths = [2, 17, 63, 64]
    whole = engine.sequence_outputs(ids)
    expected = torch.stack([row[:n].mean(0) for row, n in zip(whole, lengths, strict=True)])
    torch.testing.assert_close(engine.mean_outputs(ids, lengths), expected, rtol=0, atol=1e-5)


def test_int8_weights_follow_float32(checkpoint: Checkpoint) -> None:
    ids = torch.randint(1000, (4, 64), generator=torch.Generator().manual_seed(0))
    exact = Engine(checkpoint).sequence_outputs(ids)
    quantised = Engine(checkpoint, quantised=True).sequence_outputs(ids)
    assert torch.nn.functional.cosine_similarity(exact, quantised, dim=-1).min() > 0.99


@pytest.mark.parametrize(
    ("capabilities", "fast"),
    [
        ({"cpu_name": "Intel Xeon 8480", "avx512_bf16": True, "amx_bf16": True}, True),
        ({"cpu_name": "Intel Xeon", "avx512_bf16": True, "amx_bf16": False}, False),
        ({"cpu_name": "AMD EPYC 9654", "avx512_bf16": True, "amx_bf16": False}, True),
        ({"cpu_name": "AMD EPYC 7763", "avx512_bf16": False}, False),
        ({"architecture": "arm64", "bf16": True}, True),
        ({"architecture": "arm64", "bf16": False}, False),
    ],
)
def test_bfloat16_is_fast_on_some_processors(capabilities: dict[str, Any], fast: bool) -> None:
    assert multiplies_bfloat16_fast(capabilities) is fast


def test_where_bfloat16_is_slow_float32_runs_in_its_place(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dense, "multiplies_bfloat16_fast", lambda _: False)
    ids = torch.randint(1000, (4, 64), generator=torch.Generator().manual_seed(0))
    asked, ran = (Engine(checkpoint, dtype=d).forward(ids) for d in ("bfloat16", "float32"))
    assert all(map(torch.equal, asked, ran))


def test_another_dtype_is_refused(checkpoint: Checkpoint) -> None:
    with pytest.raises(ConfigError, match="one of float32, bfloat16. Received: 'float16'"):
        Engine(checkpoint, dtype="float16")  # type: ignore[arg-type]
