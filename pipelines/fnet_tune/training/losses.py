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
        target: Labels or the ranks of scores, integers of shape `(examples,)`, or teacher vectors
            of shape `(examples, dim)`; None for pairs.
    """

    place: torch.Tensor
    text: torch.Tensor
    target: torch.Tensor | None = None

    @property
    def wanted(self) -> torch.Tensor:
        """The target, where the kind of examples has one."""
        assert self.target is not None
        return self.target

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
    """Let each text find a text of its label: all of them are its positives.

    The negative logarithm of their share in the softmax over all others (neighbourhood components,
    Goldberger et al., 2004; the sum inside of the logarithm in Khosla et al., 2020). It asks for
    what nearest neighbours need, and not that all texts of a label become one, which would undo
    what the model knew of them: on 2,250 docstrings of five packages, it brought nearest-neighbour
    accuracy from 0.688 to 0.800, the mean of logarithms to 0.752, and a retrieval that neither was
    tuned for was left with more, too. Equal texts neither attract nor repel each other.

    Args:
        vectors: Float32 of shape `(rows, dim)`.
        examples: Two texts of one label each, and the label as the target.
    """
    rows = examples.place.flatten()
    labels = examples.wanted.repeat_interleave(examples.place.shape[1])
    unit = F.normalize(vectors, dim=-1)[rows]
    equal = _same(examples.text[rows], examples.text[rows])
    scores = (SCALE * unit @ unit.T).masked_fill(equal, -_NEVER)
    wanted = _same(labels, labels) & ~equal
    log_shares = scores.log_softmax(1).masked_fill(~wanted, -_NEVER).logsumexp(1)
    some = wanted.any(1)
    return -(log_shares * some).sum() / some.sum().clamp(min=1)


def order_of_scores(vectors: torch.Tensor, examples: Examples) -> torch.Tensor:
    """Let pairs' cosines stand in the order of their scores (CoSENT).

    `log(1 + Σ exp(SCALE · (cos i - cos j)))` over all pairs i, j of which j has the higher score.
    Unlike the squared error of cosine and score, it asks nothing of the scores but their order,
    which is what Spearman's correlation measures, whatever scale people rated on.

    Args:
        vectors: Float32 of shape `(rows, dim)`.
        examples: Two texts each, and the score's rank as the target.
    """
    first, second = F.normalize(vectors, dim=-1)[examples.place].unbind(1)
    cosines = SCALE * (first * second).sum(-1)
    lower = examples.wanted[:, None] < examples.wanted
    wrong = (cosines[:, None] - cosines)[lower]
    return torch.cat([wrong.new_zeros(1), wrong]).logsumexp(0)


def as_taught(vectors: torch.Tensor, examples: Examples) -> torch.Tensor:
    """Let each text have the direction of its teacher vector.

    The model's head leads to the teacher's width, and stays in the version, whose vectors can then
    be compared with those that the teacher itself computes. Measured on an untrained model of 2
    layers of 128, with 256 values of co-occurring pieces for a teacher, after 250 steps of 128
    docstrings, as Spearman's correlation of all cosines with the teacher's: 0.554; the head begun
    at random, 0.528; thrown away, 0.309; no head, and the teacher's in-batch similarities to learn,
    0.392; kept near the parent's vectors, as with other examples, 0.261. Where the widths are the
    same, 128, a head helps still: 0.579, and 0.551 without.

    Args:
        vectors: Float32 of shape `(rows, dim)`.
        examples: A text each, and its teacher's vector of `dim` values as the target.
    """
    found = vectors[examples.place[:, 0]]
    return 1 - F.cosine_similarity(found, examples.wanted.float(), dim=-1).mean()


def drift(vectors: torch.Tensor, before: torch.Tensor) -> torch.Tensor:
    """Return how far texts' directions went from those that they had, as 1 less the mean cosine.

    Added to every loss, it keeps what the parent knows of texts that the examples do not judge
    (Li and Hoiem, 2016).

    Args:
        vectors: Float32 of shape `(rows, dim)`.
        before: The parent's, of the same shape.
    """
    return 1 - F.cosine_similarity(vectors, before, dim=-1).mean()


def _same(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    return first[:, None] == second


def _cross_entropy(cosines: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """Ask for the diagonal, with what is right beside it left out."""
    own = torch.eye(*right.shape, dtype=torch.bool, device=right.device)
    scores = (SCALE * cosines).masked_fill(right & ~own, -_NEVER)
    return F.cross_entropy(scores, torch.arange(len(scores), device=scores.device))
