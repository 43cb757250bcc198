"""Mean and covariance part by part, and the head that whitens by them."""

import numpy as np
import pytest

from fnet_registry.errors import InputError
from fnet_tune.moments import Moments, followed_by, whitening_head


@pytest.fixture
def vectors() -> np.ndarray:
    """Vectors of six values around a far mean, whose directions vary very differently."""
    generator = np.random.default_rng(0)
    mixing = generator.normal(size=(6, 6)) * np.logspace(-2, 1, 6)
    return (generator.normal(size=(5000, 6)) @ mixing + 20).astype("float32")


def apply(head: dict[str, np.ndarray], vectors: np.ndarray) -> np.ndarray:
    return vectors @ head["head.kernel"] + head["head.bias"]


def test_parts_of_a_corpus_add_up(vectors: np.ndarray) -> None:
    moments = Moments.of(vectors[:100]) + Moments.of(vectors[100:100]) + Moments.of(vectors[100:])
    np.testing.assert_allclose(moments.mean, vectors.mean(0, dtype="float64"))
    np.testing.assert_allclose(moments.covariance, np.cov(vectors.T, bias=True), rtol=1e-6)


@pytest.mark.parametrize("dims", [None, 6, 3, 1])
def test_whitened_vectors_have_mean_0_and_covariance_1(vectors: np.ndarray, dims) -> None:
    white = apply(whitening_head(Moments.of(vectors), dims), vectors)
    assert white.shape[1] == (dims or 6)
    np.testing.assert_allclose(white.mean(0), 0, atol=2e-3)
    np.testing.assert_allclose(np.atleast_2d(np.cov(white.T)), np.eye(dims or 6), atol=5e-3)


def test_the_widest_directions_are_kept(vectors: np.ndarray) -> None:
    full = apply(whitening_head(Moments.of(vectors)), vectors)
    first = apply(whitening_head(Moments.of(vectors), 2), vectors)
    np.testing.assert_array_equal(first, full[:, :2])


def test_directions_that_do_not_vary_are_left_out(vectors: np.ndarray) -> None:
    flat = np.hstack([vectors, vectors[:, :2] * 2 + 1])
    assert whitening_head(Moments.of(flat))["head.kernel"].shape == (8, 6)
    with pytest.raises(InputError, match=r"directions to keep, 7, .*which vary in 6 directions"):
        whitening_head(Moments.of(flat), 7)


@pytest.mark.parametrize("count", [1, 3, 50])
@pytest.mark.parametrize("value", [3, 0.1, 0])
def test_texts_that_are_all_alike_are_refused(count: int, value: float) -> None:
    with pytest.raises(InputError, match=r"take more texts, .*texts, which vary in 0"):
        whitening_head(Moments.of(np.full((count, 6), value, "float32")), 2)


def test_so_are_fewer_texts_than_directions(vectors: np.ndarray) -> None:
    with pytest.raises(InputError, match=r"directions to keep, 6, .* Received: 5 texts"):
        whitening_head(Moments.of(vectors[:5]))
    assert whitening_head(Moments.of(vectors[:5]), 2)["head.bias"].shape == (2,)


def test_one_head_does_what_two_would(vectors: np.ndarray) -> None:
    generator = np.random.default_rng(1)
    own = {
        "head.kernel": generator.normal(size=(6, 4)).astype("float32"),
        "head.bias": generator.normal(size=4).astype("float32"),
    }
    second = whitening_head(Moments.of(apply(own, vectors)), 3)
    both = apply(followed_by(own, second), vectors)
    np.testing.assert_allclose(both, apply(second, apply(own, vectors)), atol=2e-3)
    assert followed_by(None, second) is second
