"""What a step reads follows from the seed and the step."""

import numpy as np
import pytest

from fnet_registry.errors import InputError
from fnet_tune.data.tokens import TokenizedExamples
from fnet_tune.training.sampling import (
    EachOnce,
    WithPartner,
    permuted,
    sampler_of,
    steps_per_epoch,
)


@pytest.mark.parametrize("count", [1, 2, 3, 5, 16, 17, 100, 1000, 4097])
def test_every_place_is_taken_once(count: int) -> None:
    for key in range(5):
        found = permuted(np.arange(count), count, np.uint64(key))
        assert sorted(found.tolist()) == list(range(count))


def test_the_order_is_another_one_for_each_seed_and_epoch() -> None:
    orders = {
        tuple(np.concatenate([EachOnce(count=12, seed=seed).draw(step, 4) for step in steps]).flat)
        for seed in range(20)
        for steps in ((0, 1, 2), (3, 4, 5))
    }
    assert len(orders) == 40
    assert all(sorted(order) == list(range(12)) for order in orders)


def test_a_permutation_has_no_pattern() -> None:
    found = permuted(np.arange(10_000), 10_000, np.uint64(1)).astype(float)
    steps = np.diff(found)
    assert abs(np.corrcoef(np.arange(10_000), found)[0, 1]) < 0.05
    assert abs(np.corrcoef(steps[:-1], steps[1:])[0, 1] + 0.5) < 0.05  # as of independent draws


def test_millions_of_examples_are_drawn_from_without_listing_them() -> None:
    sampler = EachOnce(count=10**12, seed=0)
    assert sampler.draw(10**9, 4).shape == (4, 1)
    np.testing.assert_array_equal(sampler.draw(123_456, 8), sampler.draw(123_456, 8))


def test_a_batch_is_never_larger_than_the_examples() -> None:
    assert sorted(EachOnce(count=3, seed=0).draw(7, 64).flat) == [0, 1, 2]
    assert steps_per_epoch(3, 64) == 1


def test_a_text_stands_beside_another_one_of_its_label() -> None:
    labels = np.random.default_rng(0).integers(7, size=500)
    labels[13] = 99  # which no other text has
    sampler = WithPartner(labels, seed=5)
    assert len(sampler) == 499
    seen = np.concatenate([sampler.draw(step, 50) for step in range(9)])
    assert len(set(seen[:, 0].tolist())) == 450
    assert 13 not in seen
    assert (labels[seen[:, 0]] == labels[seen[:, 1]]).all()
    assert (seen[:, 0] != seen[:, 1]).all()


@pytest.mark.parametrize(("labels", "many"), [([0, 0, 0, 1, 2], 1), ([0, 1, 2], 0)])
def test_labels_of_which_one_alone_has_several_texts_teach_nothing(
    labels: list[int], many: int
) -> None:
    count = len(labels)
    examples = TokenizedExamples(
        texts=1, ids=np.zeros(count), ends=np.arange(count), targets=np.array(labels)
    )
    with pytest.raises(InputError, match=f"3 labels of {count} texts, {many} of them so"):
        sampler_of(examples, seed=0, paired=True)


def test_a_partner_is_another_one_in_each_epoch() -> None:
    sampler = WithPartner(np.zeros(100, int), seed=0)
    partners = [dict(sampler.draw(epoch, 100).tolist()) for epoch in range(3)]
    assert len({tuple(sorted(epoch.items())) for epoch in partners}) == 3
    assert len(set(partners[0].values())) > 50
