"""Equal bits in any batch follow from how products are called, whatever the processor."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch

from fnet_registry.encoding.pooling import POOLINGS
from fnet_registry.engine import dense, products, rows
from fnet_registry.engine.dense import FloatDense, FloatProduct
from fnet_registry.engine.engine import Engine
from fnet_registry.engine.int8 import Int8Product
from fnet_registry.engine.rows import keeps_rows
from fnet_registry.model.backbone import FNetBackbone

CPU = torch.device("cpu")
DTYPES = [torch.float32, torch.bfloat16]
Multiply = Callable[[torch.Tensor, torch.Tensor, torch.Tensor, Any], torch.Tensor]


def in_order_of_its_own(chosen: Callable[[int], torch.Tensor]) -> Multiply:
    """A kernel that sums up from the other end in the rows that `chosen` names, out of so many."""

    def multiply(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, act: Any):
        filled = torch.nn.functional.pad(x, (0, 0, 0, -len(x) % products.FULL_SPEED_ROWS))
        forwards = products.multiply_fused(filled, weight, bias, act)
        backwards = products.multiply_fused(
            filled.flip(1).contiguous(), weight.flip(1).contiguous(), bias, act
        )
        return torch.where(chosen(len(x))[:, None], backwards[: len(x)], forwards[: len(x)])

    return multiply


KERNELS = {
    # As oneDNN's in bfloat16 with AMX: few rows are summed up in another order than many.
    "another for few rows": lambda count: torch.full((count,), count < 512),
    "another for every number": lambda count: torch.full((count,), count != 1024),
    "another at odd places": lambda count: torch.arange(count) % 2 == 1,
}


@pytest.fixture
def forget_trials() -> Iterator[None]:
    for cached in (rows._keeps_rows, rows._standard):
        cached.cache_clear()
    yield
    for cached in (rows._keeps_rows, rows._standard):
        cached.cache_clear()


@pytest.fixture(params=KERNELS)
def kernel(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, forget_trials: None):
    """Another processor's kernel in place of this one's."""
    monkeypatch.setattr(dense, "multiply_fused", in_order_of_its_own(KERNELS[request.param]))
    monkeypatch.setattr(dense, "pack", lambda weight: weight)
    monkeypatch.setattr(dense, "multiplies_bfloat16_fast", lambda _: True)
    return request.param


def make_engine(seed: int, hidden: int, length: int, **options: Any) -> Engine:
    generator = np.random.default_rng(seed)
    backbone = FNetBackbone(
        vocabulary_size=100,
        num_layers=2,
        hidden_dim=hidden,
        intermediate_dim=4 * hidden,
        max_sequence_length=length,
    )
    checkpoint = backbone.to_checkpoint()
    for values in checkpoint.arrays.values():
        values[...] = generator.normal(0, 0.3, values.shape)
    return Engine(checkpoint, **options)


def assert_alike_in_any_company(engine: Engine, length: int, *, texts: int = 35) -> None:
    seeded = torch.Generator().manual_seed(0)
    ids = torch.randint(100, (texts, length), generator=seeded)
    lengths = torch.randint(2, length + 1, (texts,), generator=seeded).tolist()
    order = torch.randperm(texts, generator=seeded).tolist()
    for pooling in ("mean", "cls", "pooled"):
        pool = POOLINGS[pooling]
        together = pool(engine, ids, lengths)
        shuffled = pool(engine, ids[order], [lengths[i] for i in order])
        assert torch.equal(shuffled, together[order])
        for size in (1, 7):
            parts = [
                pool(engine, ids[i : i + size], lengths[i : i + size])
                for i in range(0, texts, size)
            ]
            assert torch.equal(together, torch.cat(parts))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize(("hidden", "length"), [(32, 24), (64, 600)])
def test_a_text_has_one_vector_whatever_the_kernels(
    hidden: int, length: int, dtype: str, kernel: str
) -> None:
    engine = make_engine(1, hidden, length, dtype=dtype)
    assert engine._keeps_rows is (kernel != "another at odd places")
    assert_alike_in_any_company(engine, length, texts=9)


def test_kernels_do_tell_a_batch_from_its_members_where_nothing_fills_them_up(
    kernel: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dense, "by_rows", lambda _, multiply, x: multiply(x.flatten(0, -2)))
    layer = FloatDense(np.eye(64, dtype="f4"), np.zeros(64, "f4"), device=CPU, dtype=torch.float32)
    layer._weight = torch.randn(64, 64, generator=torch.Generator().manual_seed(0))
    x = torch.randn(64, 64, generator=torch.Generator().manual_seed(1)).repeat(16, 1)
    alone = torch.cat([layer(row) for row in x[:64].split(1)])
    assert not torch.equal(layer(x)[:64], alone), kernel


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("inputs", [8, 33, 128, 768])
def test_a_trial_shows_another_order_of_summation(inputs: int, dtype: torch.dtype) -> None:
    backwards = in_order_of_its_own(lambda count: torch.arange(count) % 2 == 1)

    class Backwards(FloatProduct):
        def multiply(self, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor):
            return backwards(x, weight, bias, self.activation)

    product = Backwards(inputs, 48, dtype, "none", fused=True, packed=False)
    assert not torch.equal(product.trial(26)[:13], product.trial(26)[13:])


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize(("inputs", "outputs"), [(1, 1), (1, 5), (2, 3), (768, 3072), (3072, 768)])
def test_this_processor_s_kernels_keep_rows_of_any_shape(
    inputs: int, outputs: int, dtype: torch.dtype
) -> None:
    assert keeps_rows(FloatProduct(inputs, outputs, dtype, "gelu", fused=True, packed=True))


@pytest.mark.parametrize("rounded", [False, True])
@pytest.mark.parametrize("activation", ["none", "gelu"])
@pytest.mark.parametrize("count", [1, 2, 7, 32, 100, 512, 1024, 2048])
def test_int8_products_agree_over_any_number_of_rows(
    count: int, activation: Any, rounded: bool
) -> None:
    assert keeps_rows(Int8Product(768, 3072, activation, rounded), count)


@pytest.mark.parametrize(
    "options", [{"dtype": "float32"}, {"dtype": "bfloat16"}, {"quantised": True}], ids=str
)
@pytest.mark.parametrize("seed", range(3))
def test_random_models_compute_a_text_alike_in_any_company(
    seed: int, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    check_random_model(seed, options, monkeypatch, widest=128, texts=12)


@pytest.mark.slow
@pytest.mark.parametrize(
    "options", [{"dtype": "float32"}, {"dtype": "bfloat16"}, {"quantised": True}], ids=str
)
@pytest.mark.parametrize("seed", range(3, 120))
def test_hundreds_of_models_compute_a_text_alike_in_any_company(
    seed: int, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    check_random_model(seed, options, monkeypatch)


def check_random_model(
    seed: int,
    options: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    *,
    widest: int = 768,
    texts: int = 35,
) -> None:
    monkeypatch.setattr(dense, "multiplies_bfloat16_fast", lambda _: True)
    generator = np.random.default_rng(seed)
    widths = [width for width in (16, 40, 64, 128, 256, 384, 768) if width <= widest]
    hidden = int(generator.choice(widths))
    length = int(generator.choice([8, 16, 17, 32, 64, 100, 128, 384]))
    engine = make_engine(seed, hidden, length, **options)
    assert_alike_in_any_company(engine, length, texts=texts)


def test_the_operators_that_torch_keeps_to_itself_are_still_there() -> None:
    schemas = {
        torch.ops.mkldnn._reorder_linear_weight: "Tensor self, int? batch_size=None",
        torch.ops.mkldnn._linear_pointwise: (
            "Tensor X, Tensor W, Tensor? B, str attr, Scalar?[] scalars, str? algorithm"
        ),
        torch.ops.onednn.qlinear_prepack: "Tensor weight, int[]? x_shape",
        torch.ops.onednn.qlinear_pointwise: "Tensor qx, float x_scale, int x_zero_point, Tensor qw",
    }
    for operator, arguments in schemas.items():
        assert arguments in str(operator.default._schema)
