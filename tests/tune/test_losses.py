"""The losses, against sums that are written out, and in the cases that spoil them."""

import math

import pytest
import torch
import torch.nn.functional as F

from fnet_tune.training.losses import (
    SCALE,
    Examples,
    drift,
    in_batch_negatives,
    order_of_scores,
    same_label,
)


def vectors(count: int) -> torch.Tensor:
    return torch.randn(count, 8, generator=torch.Generator().manual_seed(count)).requires_grad_()


def pairs(count: int, text: list[int] | None = None, negatives: int = 0) -> Examples:
    place = torch.full((count, 3), -1)
    place[:, :2] = torch.arange(2 * count).reshape(2, count).T
    place[:negatives, 2] = torch.arange(2 * count, 2 * count + negatives)
    return Examples(place=place, text=torch.tensor(text or range(2 * count + negatives)))


def test_pairs_are_told_from_all_others_in_both_directions() -> None:
    found = in_batch_negatives(rows := vectors(6), pairs(3))
    scores = SCALE * F.cosine_similarity(rows[:3, None], rows[None, 3:], dim=-1)
    expected = [F.cross_entropy(s, torch.arange(3)) for s in (scores, scores.T)]
    assert found.item() == pytest.approx(sum(expected).item() / 2, rel=1e-5)


def test_negatives_are_candidates_for_every_anchor() -> None:
    found = in_batch_negatives(rows := vectors(8), pairs(3, negatives=2))
    scores = SCALE * F.cosine_similarity(rows[:3, None], rows[None, 3:], dim=-1)
    there = F.cross_entropy(scores, torch.arange(3))
    back = F.cross_entropy(scores[:, :3].T, torch.arange(3))
    assert found.item() == pytest.approx((there + back).item() / 2, rel=1e-5)


@pytest.mark.parametrize(
    "text",
    [
        [0, 1, 2, 3, 4, 3],  # two positives are equal
        [0, 1, 0, 3, 4, 5],  # two anchors are
        [0, 1, 2, 3, 4, 0],  # a positive equals another pair's anchor
    ],
)
def test_equal_texts_are_no_negatives_of_each_other(text: list[int]) -> None:
    rows = vectors(6)
    masked = in_batch_negatives(rows, pairs(3, text))
    masked.backward()
    assert rows.grad is not None
    assert torch.isfinite(rows.grad).all()
    assert masked < in_batch_negatives(rows, pairs(3))


@pytest.mark.parametrize("text", [[0] * 6, [0, 0, 0, 3, 3, 3]])
def test_a_batch_of_one_pair_teaches_nothing_and_breaks_nothing(text: list[int]) -> None:
    rows = vectors(6)
    loss = in_batch_negatives(rows, pairs(3, text))
    loss.backward()
    assert loss.item() == pytest.approx(0, abs=1e-6)
    assert rows.grad is not None
    assert torch.isfinite(rows.grad).all()


def labelled(labels: list[int], text: list[int] | None = None) -> Examples:
    count = 2 * len(labels)
    return Examples(
        place=torch.arange(count).reshape(-1, 2),
        text=torch.tensor(text or range(count)),
        target=torch.tensor(labels),
    )


def test_texts_of_a_label_are_positives_of_each_other() -> None:
    found = same_label(rows := vectors(6), labelled([7, 7, 1]))
    labels = torch.tensor([7, 7, 7, 7, 1, 1])
    unit = F.normalize(rows, dim=-1)
    terms = []
    for i in range(6):
        others = [j for j in range(6) if j != i]
        shares = (SCALE * unit[others] @ unit[i]).softmax(0)
        own = [share for j, share in zip(others, shares, strict=True) if labels[j] == labels[i]]
        terms.append(-sum(own).log())
    assert found.item() == pytest.approx(sum(terms).item() / 6, rel=1e-5)


@pytest.mark.parametrize("labels", [[1, 2, 3], [1, 1, 1]])
def test_equal_texts_of_a_label_break_nothing(labels: list[int]) -> None:
    rows = vectors(6)
    loss = same_label(rows, labelled(labels, [0] * 6))
    loss.backward()
    assert loss.item() == 0
    assert rows.grad is not None
    assert torch.isfinite(rows.grad).all()


def test_drift_is_how_far_directions_went() -> None:
    before = torch.eye(2, 8)
    assert drift(3 * before, before).item() == pytest.approx(0, abs=1e-6)
    assert drift(torch.eye(2, 8).flip(0), before).item() == pytest.approx(1)
    assert drift(-before, before).item() == pytest.approx(2)


def scored(scores: list[float]) -> Examples:
    count = len(scores)
    place = torch.arange(2 * count).reshape(2, count).T
    return Examples(place=place, text=torch.arange(2 * count), target=torch.tensor(scores))


def test_cosines_are_asked_to_stand_in_the_order_of_the_scores() -> None:
    rows, scores = vectors(8), [0.1, 0.9, 0.5, 0.9]
    cosines = F.cosine_similarity(rows[:4], rows[4:]).tolist()
    wrong = [
        math.exp(SCALE * (cosines[i] - cosines[j]))
        for i in range(4)
        for j in range(4)
        if scores[i] < scores[j]
    ]
    found = order_of_scores(rows, scored(scores)).item()
    assert found == pytest.approx(math.log(1 + sum(wrong)), rel=1e-5)


def test_nothing_but_the_order_of_the_scores_counts() -> None:
    rows = vectors(8)
    losses = [order_of_scores(rows, scored(s)) for s in ([1, 2, 3, 4], [-5, 0.1, 0.2, 90])]
    assert losses[0] == losses[1]


def test_equal_scores_ask_for_nothing() -> None:
    rows = vectors(8)
    loss = order_of_scores(rows, scored([2.0] * 4))
    loss.backward()
    assert loss.item() == 0
