"""Exact search: the best by score, then by row, however the texts are cut into blocks."""

import numpy as np
import pytest

from fnet_evaluate.search import DEPTH, TopHits, cosines, unit_rows


def search(scores: np.ndarray, step: int) -> TopHits:
    hits = TopHits([-1] * len(scores))
    for start in range(0, scores.shape[1], step):
        hits.add(scores[:, start : start + step], first_query=0, first_row=start)
    return hits


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("step", [1, 7, 100, 101, 1000])
def test_blocks_of_any_size_give_the_same_hits(step: int, tied: bool) -> None:
    scores = np.random.default_rng(0).standard_normal((9, 1000)).astype(np.float32)
    scores = np.round(scores) if tied else scores
    hits = search(scores, step)
    expected = np.argsort(-scores, axis=1, kind="stable")[:, :DEPTH]
    assert np.array_equal(hits.rows, expected)
    assert np.array_equal(hits.scores, np.take_along_axis(scores, expected, axis=1))


def test_fewer_texts_than_hits_leave_places_empty() -> None:
    hits = search(np.array([[1.0, 3.0, 2.0]], np.float32), 2)
    assert hits.rows[0, :4].tolist() == [1, 2, 0, -1]


def test_a_query_never_finds_what_is_left_out() -> None:
    scores = np.array([[1.0, 3.0, 2.0], [1.0, 3.0, 2.0]], np.float32)
    hits = TopHits([1, -1])
    hits.add(scores[:, :1], first_query=0, first_row=0)
    hits.add(scores[:, 1:], first_query=0, first_row=1)
    assert hits.rows[:, :3].tolist() == [[2, 0, -1], [1, 2, 0]]


def test_queries_may_come_in_parts() -> None:
    scores = np.random.default_rng(0).standard_normal((6, 50)).astype(np.float32)
    hits = TopHits([-1] * 6)
    hits.add(scores[:4], first_query=0, first_row=0)
    hits.add(scores[4:], first_query=4, first_row=0)
    assert np.array_equal(hits.rows, search(scores, 50).rows)


@pytest.mark.parametrize("count", [1, 63, 64, 1000])
def test_equal_texts_are_ties_wherever_they_stand(count: int) -> None:
    random = np.random.default_rng(0)
    queries = unit_rows(random.standard_normal((5, 96)).astype(np.float32))
    text = unit_rows(random.standard_normal((1, 96)).astype(np.float32))
    scores = cosines(queries, np.repeat(text, count, axis=0))
    assert scores.shape == (5, count)
    assert (scores == cosines(queries, text)).all()


def test_a_vector_of_zeros_is_like_nothing() -> None:
    rows = unit_rows(np.array([[0, 0], [3, 4]], np.float32))
    assert np.allclose(rows, [[0, 0], [0.6, 0.8]])
