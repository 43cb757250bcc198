"""What is made small: for each kind of examples, how far its vectors are from what is wanted."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F

SCALE = 20.0
"""What cosines are multiplied by: the inverse of the softmax's temperature."""

_NEVER = 1e4  # finite, so that a row of nothing else has a gradient


@dataclass(frozen=True, slots=True, kw_only=True)
class Examples:
    """The examples of one step.

    Args:
        place: Int64 of shape `(examples, texts)`: the row of each text's vector, -1 for none.
        text: Int64 of shape `(rows,)`: a number for each row's text, equal for equal texts.
        target: Float32 scores or int64 labels of shape `(examples,)`; None for pairs.
    """

    place: torch.Tensor
    text: torch.Tensor
    target: torch.Tensor | None = None

    def to(self, device: torch.device) -> Examples:
        """Return them on a device."""
        return Examples(
            place=self.place.to(device),
            text=self.text.to(device),
            target=None if self.target is None else self.target.to(device),
        )


def in_batch_negatives(vectors: torch.Tensor, examples: Examples) -> torch.Tensor:
    """Let each anchor find its positive among all texts of the batch, and each positive its anchor.

    The symmetric cross-entropy of `SCALE` times the cosine (van den Oord et al., 2018; Radford et
    al., 2021). A candidate is left out where it is known to be right, too: it equals the anchor or
    its positive, or belongs to an equal anchor.

    Args:
        vectors: Float32 of shape `(rows, dim)`.
        examples: An anchor, a positive and maybe a negative each.

    Returns:
        A scalar, as for every loss.
    """
    unit = F.normalize(vectors, dim=-1)
    anchors, positives, negatives = examples.place.unbind(1)
    candidates = torch.cat([positives, negatives[negatives >= 0]])
    text = examples.text
    right = _same(text[anchors], text[candidates]) | _same(text[positives], text[candidates])
    count = len(anchors)
    right[:, :count] |= _same(text[anchors], text[anchors])
    there = _cross_entropy(unit[anchors] @ unit[candidates].T, right)
    back = _cross_entropy(unit[positives] @ unit[anchors].T, right[:, :count].T)
    return (there + back) / 2


def same_label(vectors: torch.Tensor, examples: Examples) -> torch.Tensor:
    """Let each text find all texts of its label (supervised contrastive, Khosla et al., 2020).

    Equal texts neither attract nor repel each other.

    Args:
        vectors: Float32 of shape `(rows, dim)`.
        examples: Two texts of one label each, and the label as the target.
    """
    assert examples.target is not None
    rows = examples.place.flatten()
    labels = examples.target.repeat_interleave(examples.place.shape[1])
    unit = F.normalize(vectors, dim=-1)[rows]
    equal = _same(examples.text[rows], examples.text[rows])
    scores = (SCALE * unit @ unit.T).masked_fill(equal, -_NEVER)
    wanted = _same(labels, labels) & ~equal
    log_shares = scores.log_softmax(1).masked_fill(~wanted, 0)
    counts = wanted.sum(1)
    return -(log_shares.sum(1) / counts.clamp(min=1)).sum() / (counts > 0).sum().clamp(min=1)


def order_of_scores(vectors: torch.Tensor, examples: Examples) -> torch.Tensor:
    """Let pairs' cosines stand in the order of their scores (CoSENT).

    `log(1 + Σ exp(SCALE · (cos i - cos j)))` over all pairs i, j of which j has the higher score.
    Unlike the squared error of cosine and score, it asks nothing of the scores but their order,
    which is what Spearman's correlation measures, whatever scale people rated on.

    Args:
        vectors: Float32 of shape `(rows, dim)`.
        examples: Two texts each, and the score as the target.
    """
    assert examples.target is not None
    first, second = F.normalize(vectors, dim=-1)[examples.place].unbind(1)
    cosines = SCALE * (first * second).sum(-1)
    lower = examples.target[:, None] < examples.target
    wrong = (cosines[:, None] - cosines)[lower]
    return torch.cat([wrong.new_zeros(1), wrong]).logsumexp(0)


def _same(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    return first[:, None] == second


def _cross_entropy(cosines: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """Ask for the diagonal, with what is right beside it left out."""
    own = torch.eye(*right.shape, dtype=torch.bool, device=right.device)
    scores = (SCALE * cosines).masked_fill(right & ~own, -_NEVER)
    return F.cross_entropy(scores, torch.arange(len(scores), device=scores.device))
