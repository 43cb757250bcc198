"""The best rows by score, then by row, however they are cut into blocks."""

import numpy as np
import pytest

from fnet_ray.nearest.hits import NearestRows, TopHits


def ties(dtype: str) -> np.ndarray:
    """Vectors of which a third equals others, one has no direction, and more are tied than k."""
    vectors = np.random.default_rng(0).normal(size=(1000, 24)).astype(dtype).astype("float32")
    vectors[300:600] = vectors[:300]
    vectors[700:760] = vectors[3]
    vectors[50] = 0
    return vectors


def cosines(queries: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    exact, asked = (each.astype("f8") for each in (vectors, queries))
    lengths = np.linalg.norm(exact, axis=1, keepdims=True)
    exact = np.divide(exact, lengths, out=exact, where=lengths > 0)
    asked /= np.linalg.norm(asked, axis=1, keepdims=True)
    return np.stack([(exact * each).sum(1) for each in asked])


@pytest.mark.parametrize("k", [1, 10, 300])
@pytest.mark.parametrize("step", [1, 7, 350, 1000])
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_blocks_of_any_size_give_numpys_rows(step: int, dtype: str, k: int) -> None:
    vectors = ties(dtype)
    queries = np.vstack([vectors[3], np.random.default_rng(1).normal(size=(5, 24))])
    nearest = NearestRows(queries, k)
    for start in range(0, len(vectors), step):
        block = vectors[start : start + step]
        nearest.add(block, np.arange(start, start + len(block)))
    scores = cosines(queries, vectors)
    expected = np.argsort(-scores, kind="stable")[:, :k]
    np.testing.assert_array_equal(nearest.hits.rows, expected)
    found = np.take_along_axis(scores, expected, axis=1)
    np.testing.assert_allclose(nearest.hits.scores, found, atol=1e-12)


@pytest.mark.parametrize("step", [1, 500])
def test_a_query_never_finds_what_is_left_out(step: int) -> None:
    vectors = np.random.default_rng(0).normal(size=(500, 8)).astype("float32")
    nearest = NearestRows(vectors[:40], 3, left_out=[*range(39), -1])
    for start in range(0, 500, step):
        nearest.add(vectors[start : start + step], np.arange(start, start + step))
    scores = cosines(vectors[:40], vectors)
    scores[np.arange(39), np.arange(39)] = -np.inf
    np.testing.assert_array_equal(nearest.hits.rows, np.argsort(-scores, kind="stable")[:, :3])


@pytest.mark.parametrize("count", [1, 63, 64, 1000])
def test_equal_vectors_are_ties_wherever_they_stand(count: int) -> None:
    generator = np.random.default_rng(0)
    nearest = NearestRows(generator.normal(size=(5, 96)).astype("float32"), count)
    vector = generator.normal(size=(1, 96)).astype("float32")
    nearest.add(np.repeat(vector, count, axis=0), np.arange(count))
    assert (nearest.hits.rows == np.arange(count)).all()
    assert (nearest.hits.scores == nearest.hits.scores[:, :1]).all()


@pytest.mark.parametrize("scale", [1e-40, 1e-25, 1e-15, 1e18, 1e37])
def test_the_length_of_a_vector_says_nothing(scale: float) -> None:
    generator = np.random.default_rng(0)
    vectors = generator.normal(size=(300, 16)).astype("float32")
    vectors[::2] *= np.float32(scale)
    vectors[7] = 0
    queries = generator.normal(size=(4, 16)).astype("float32")
    nearest = NearestRows(queries, 20)
    nearest.add(vectors[:100], np.arange(100))
    nearest.add(vectors[100:], np.arange(100, 300))
    expected = np.argsort(-cosines(queries, vectors), kind="stable")[:, :20]
    np.testing.assert_array_equal(nearest.hits.rows, expected)


def test_rows_beside_one_that_is_no_number_keep_their_scores() -> None:
    vectors = np.tile(3 * np.random.default_rng(0).normal(size=(40, 16)), (2, 1)).astype("float32")
    nearest = NearestRows(vectors[:3], 79)
    vectors[40] = np.inf
    nearest.add(vectors[:40], np.arange(40))
    nearest.add(vectors[40:], np.arange(40, 80))
    expected = np.argsort(-cosines(vectors[:3], vectors[:40]), kind="stable")
    twins = np.stack([expected, expected + 40], axis=2).reshape(3, -1)
    np.testing.assert_array_equal(nearest.hits.rows.ravel(), twins[twins != 40])


def test_many_queries_are_compared_in_parts() -> None:
    generator = np.random.default_rng(0)
    queries = generator.normal(size=(40_000, 2)).astype("float32")
    vectors = generator.normal(size=(900, 2)).astype("float32")
    nearest = NearestRows(queries, 1)
    nearest.add(vectors, np.arange(900))
    expected = cosines(queries[-50:], vectors).argmax(1)
    np.testing.assert_array_equal(nearest.hits.rows[-50:, 0], expected)


def test_fewer_rows_than_hits_leave_places_empty() -> None:
    hits = TopHits(2, 3)
    hits.keep(np.array([1, 1]), np.array([0, 1]), np.array([1.0, 2.0]))
    assert hits.rows.tolist() == [[-1, -1, -1], [1, 0, -1]]
