"""Intervals: the same in every run, of the right width, and no alarm at noise."""

import numpy as np
import pyarrow as pa
import pytest

from fnet_evaluate.bootstrap import intervals, paired_difference
from fnet_evaluate.registry.requirement import Requirement
from fnet_registry.errors import InputError


def retrieval_items(values: np.ndarray) -> pa.Table:
    return pa.table({"ndcg@10": values, "mrr": values**2})


def noisy(seed: int, *, shift: float = 0.0) -> tuple[pa.Table, pa.Table]:
    """Two models' items, which differ by symmetric noise, and by a shift."""
    random = np.random.default_rng(seed)
    base = random.random(200)
    first, second = (base + 0.1 * random.standard_normal(200) for _ in range(2))
    return retrieval_items(first), retrieval_items(second + shift)


def test_intervals_are_equal_to_the_last_digit_in_every_run() -> None:
    items, _ = noisy(0)
    assert intervals("retrieval", items) == intervals("retrieval", items)


def test_a_mean_has_the_width_that_statistics_know() -> None:
    values = np.random.default_rng(0).standard_normal(2000)
    figure = intervals("retrieval", pa.table({"mrr": values}))["mrr"]
    error = values.std() / np.sqrt(2000)
    assert figure.value == values.mean()
    assert figure.low == pytest.approx(figure.value - 1.96 * error, abs=0.1 * error)
    assert figure.high == pytest.approx(figure.value + 1.96 * error, abs=0.1 * error)


def test_a_correlation_has_the_width_that_statistics_know() -> None:
    random = np.random.default_rng(0)
    score = random.standard_normal(1000)
    items = pa.table({"cosine": score + random.standard_normal(1000), "score": score})
    figure = intervals("scored_pairs", items)["pearson"]
    low, high = np.tanh(np.arctanh(figure.value) + 1.96 / np.sqrt(997) * np.array([-1, 1]))
    assert (figure.low, figure.high) == pytest.approx((low, high), abs=0.005)


def test_models_that_differ_by_noise_are_not_called_different() -> None:
    differences = [paired_difference("retrieval", *noisy(seed)) for seed in range(100)]
    quiet = [all(each.low <= 0 <= each.high for each in d.values()) for d in differences]
    assert sum(quiet) >= 95


@pytest.mark.parametrize("count", [6, 8, 12, 20])
def test_nor_are_those_of_few_items(count: int) -> None:
    random = np.random.default_rng(count)
    noise = random.standard_normal((400, 2, count))
    told = [
        paired_difference("retrieval", *(pa.table({"mrr": values}) for values in pair))["mrr"]
        for pair in noise
    ]
    assert sum(each.low > 0 or each.high < 0 for each in told) <= 0.07 * len(told)


def test_of_fewer_than_six_items_nothing_is_told() -> None:
    first, second = (pa.table({"mrr": np.full(5, value)}) for value in (0.9, 0.1))
    difference = paired_difference("retrieval", first, second)["mrr"]
    assert difference.value == pytest.approx(0.8)
    assert difference.plain() == {"value": difference.value, "low": None, "high": None}
    assert not Requirement.parse("mrr>champion").allows(difference)
    assert Requirement.parse("mrr>=champion").allows(difference)


def test_a_small_but_steady_difference_is_seen() -> None:
    differences = [paired_difference("retrieval", *noisy(seed, shift=0.05)) for seed in range(20)]
    assert sum(each["ndcg@10"].high < 0 for each in differences) >= 19


def test_a_pair_tells_more_than_two_intervals() -> None:
    first, second = noisy(0, shift=0.05)
    apart = [intervals("retrieval", items)["ndcg@10"] for items in (first, second)]
    assert apart[0].high > apart[1].low
    assert paired_difference("retrieval", first, second)["ndcg@10"].high < 0


def test_a_model_does_not_differ_from_itself() -> None:
    items, _ = noisy(0)
    differences = paired_difference("retrieval", items, items)
    assert {(f.value, f.low, f.high) for f in differences.values()} == {(0, 0, 0)}


def test_items_of_other_data_are_no_pair() -> None:
    items, _ = noisy(0)
    with pytest.raises(InputError, match="same data.* Received: 200 items and 10"):
        paired_difference("retrieval", items, items[:10])
