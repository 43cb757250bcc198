"""Dense layers with int8 weights: what values are rounded to, and that company does not matter."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fnet_registry.engine.dense import FloatDense
from fnet_registry.engine.engine import Engine
from fnet_registry.engine.int8 import Grid, Int8Dense, largest_weight
from fnet_registry.presets.checkpoint import Checkpoint

LOUDNESS = [1.0, 300.0, 1.0, 0.8, 0.01, 0.0, 1.2]
"""Of the sequences of a batch: most are alike, some far from what the layers saw at first."""

magnitudes = st.floats(2**-20, 2**20)


@given(laid_low=magnitudes, laid_high=magnitudes, low=magnitudes, high=magnitudes)
def test_a_fitted_grid_rounds_every_value_of_its_range_to_a_neighbour(
    laid_low: float, laid_high: float, low: float, high: float
) -> None:
    grid = Grid.over(-laid_low, laid_high).fitted(-low, high)
    x = torch.tensor(np.linspace(-low, high, 999), dtype=torch.float32)
    restored = (grid.quantise(x).double() - grid.zero_point) * grid.scale
    assert (restored - x).abs().max() <= 0.501 * grid.scale


@given(low=magnitudes, high=magnitudes)
def test_a_grid_stays_for_the_range_it_was_laid_over_and_is_halved_for_a_third_of_it(
    low: float, high: float
) -> None:
    laid = Grid.over(-low, high)
    assert laid.fitted(-low, high) == laid
    assert laid.fitted(-low / 3, high / 3).scale == laid.scale / 2


def test_zeros_have_a_grid() -> None:
    assert Grid.over(0.0, 0.0).quantise(torch.zeros(3)).tolist() == [0, 0, 0]


Layers = tuple[list[Int8Dense], list[FloatDense]]


def feed_forward(biases: list[np.ndarray]) -> Layers:
    """The two layers of a feed-forward block, with int8 weights and exact."""
    generator = np.random.default_rng(0)
    kernels = [0.1 * generator.standard_normal(shape, "f4") for shape in ((64, 256), (256, 64))]
    cpu = torch.device("cpu")
    exact = [
        FloatDense(kernel, bias, device=cpu, dtype=torch.float32)
        for kernel, bias in zip(kernels, biases, strict=True)
    ]
    return list(map(Int8Dense, kernels, biases)), exact


@pytest.fixture
def layers() -> Layers:
    """A block that has run once."""
    generator = np.random.default_rng(1)
    quantised, exact = feed_forward(
        [0.1 * generator.standard_normal(size, "f4") for size in (256, 64)]
    )
    quantised[0].gelu_then(quantised[1], sequences([1.0] * 8))
    return quantised, exact


def sequences(loudness: list[float]) -> torch.Tensor:
    x = torch.randn(len(loudness), 16, 64, generator=torch.Generator().manual_seed(0))
    return x * torch.tensor(loudness)[:, None, None]


def test_loud_and_quiet_sequences_follow_float32(layers: Layers) -> None:
    (up, down), (exact_up, exact_down) = layers
    x = sequences(LOUDNESS)
    for result, expected in (
        (up(x), exact_up(x)),
        (up(x, "gelu"), exact_up(x, "gelu")),
        (up.gelu_then(down, x), exact_up.gelu_then(exact_down, x)),
    ):
        errors = (result - expected).flatten(1).norm(dim=1) / expected.flatten(1).norm(dim=1)
        assert errors.max() < 0.03, errors


def test_loud_and_quiet_sequences_are_computed_as_if_alone(layers: Layers) -> None:
    (up, down), _ = layers
    x = sequences(LOUDNESS)
    for run in (up, lambda x: up.gelu_then(down, x)):
        assert torch.equal(run(x), torch.cat([run(alone) for alone in x.split(1)]))


def test_a_sequence_that_is_not_finite_gives_nan_and_harms_no_other(layers: Layers) -> None:
    (up, down), _ = layers
    x = sequences(LOUDNESS)
    for run in (up, lambda x: up.gelu_then(down, x)):
        expected = run(x)
        for bad in (np.nan, np.inf, -np.inf):
            spoilt = x.clone()
            spoilt[2, 3, 5] = bad
            result = run(spoilt)
            assert result[2].isnan().all()
            others = [0, 1, 3, 4, 5, 6]
            assert torch.equal(result[others], expected[others])


@pytest.mark.parametrize("bias", [0.0, -4.0], ids=["small gelu", "gelu of almost nothing"])
def test_a_grid_laid_over_quiet_sequences_serves_loud_ones(bias: float) -> None:
    (up, down), (exact_up, exact_down) = feed_forward(
        [np.full(256, bias, "f4"), np.zeros(64, "f4")]
    )
    up.gelu_then(down, sequences([0.01]))
    for loudness in (0.01, 1.0, 30.0):
        x = sequences([loudness])
        expected = exact_up.gelu_then(exact_down, x)
        error = (up.gelu_then(down, x) - expected).norm() / expected.norm()
        assert error < 0.05, (loudness, error)


def test_values_too_small_for_a_scale_are_zeros() -> None:
    layer = Int8Dense(np.ones((4, 4), "f4"), np.zeros(4, "f4"))
    for size in (1.0, 1e-38, 0.0):
        error = layer(torch.full((1, 2, 4), size)).sub(4 * size).abs().max()
        assert error <= 0.01 * 4 * size + 1e-30


@pytest.mark.parametrize(
    ("capabilities", "largest"),
    [
        ({"architecture": "x86_64", "avx512_vnni": True}, 127),
        ({"architecture": "x86_64", "avx2": True, "avx_vnni": True}, 127),
        ({"architecture": "x86_64", "avx2": True}, 64),
        ({"architecture": "arm64"}, 127),
    ],
)
def test_weights_are_kept_small_where_products_are_added_in_16_bits(
    capabilities: dict[str, Any], largest: int
) -> None:
    assert largest_weight(capabilities) == largest


def test_an_engine_gives_its_first_sequences_what_it_gives_later_ones(
    checkpoint: Checkpoint,
) -> None:
    ids = torch.randint(1000, (9, 64), generator=torch.Generator().manual_seed(1))
    used, fresh = (Engine(checkpoint, quantised=True) for _ in range(2))
    used.forward(torch.randint(1000, (5, 64), generator=torch.Generator().manual_seed(2)))
    assert all(map(torch.equal, used.forward(ids), fresh.forward(ids)))
