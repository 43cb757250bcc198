"""One step's gradients, in memory that does not depend on the size of the batch.

Texts go through the network in parts. Where the parts' activations do not fit together, the vectors
of all of them are computed first without gradients, then the loss over them, and then each part
once more to pass its share of the gradient on (Gao et al., 2021). Every part draws its dropout by
(seed, step, part), so it is the same both times, wherever it runs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch

from fnet_registry.presets.config import FNetConfig
from fnet_tune.training.batches import Batch, Part
from fnet_tune.training.losses import Examples
from fnet_tune.training.network import Network
from fnet_tune.training.team import ALONE, Team

MOST_ACTIVATIONS = 1 << 31  # bytes, counted as if all were float32

Loss = Callable[[torch.Tensor, Examples], torch.Tensor]


def backward(
    network: Network,
    batch: Batch,
    loss_of: Loss,
    *,
    seed: tuple[int, ...],
    at_once: bool,
    team: Team = ALONE,
) -> float:
    """Add the gradient of a batch's loss to the network's weights.

    Args:
        network: The network.
        batch: The batch.
        loss_of: The loss over the vectors of its texts, `(texts, dim)`.
        seed: What draws the dropout, beside the part's number.
        at_once: Whether all parts' activations are kept, or each part is computed twice.
        team: Who shares the work; all of them end with the same gradient.

    Returns:
        The loss.
    """
    numbered = [(part, (*seed, number)) for number, part in enumerate(batch.parts)]
    parts = team.share(numbered)
    with torch.set_grad_enabled(at_once):
        computed = [_vectors(network, *part) for part in parts]
    rows = [part.rows for part, _ in parts]
    vectors = _together(computed, rows, batch, network, team).requires_grad_()
    loss = loss_of(vectors, batch.examples.to(network.device))
    loss.backward()
    assert vectors.grad is not None
    shares = [vectors.grad[each] for each in rows]
    if at_once:
        torch.autograd.backward(computed, shares)
    else:
        for part, share in zip(parts, shares, strict=True):
            _vectors(network, *part).backward(share)
    _add_up_gradients(network, team)
    return loss.item()


@torch.no_grad()
def vectors_of(network: Network, batch: Batch, team: Team = ALONE) -> torch.Tensor:
    """Return the vectors of a batch's texts, `(texts, dim)`, by a network without dropout."""
    parts = team.share(batch.parts)
    computed = [network.vectors(part.token_ids, part.lengths) for part in parts]
    return _together(computed, [part.rows for part in parts], batch, network, team)


def fits(batch: Batch, config: FNetConfig, team: Team = ALONE) -> bool:
    """Return whether the activations of a worker's parts may be kept at once."""
    positions = sum(part.token_ids.numel() for part in team.share(batch.parts))
    values = config.num_layers * (6 * config.hidden_dim + 2 * config.intermediate_dim)
    return 4 * positions * values <= MOST_ACTIVATIONS


def _together(
    computed: Sequence[torch.Tensor],
    rows: Sequence[np.ndarray],
    batch: Batch,
    network: Network,
    team: Team,
) -> torch.Tensor:
    """Return all texts' vectors in order, whoever computed them."""
    vectors = torch.zeros(len(batch.examples.text), network.dim, device=network.device)
    for each, part in zip(rows, computed, strict=True):
        vectors[each] = part.detach()
    return team.add_up(vectors)


def _add_up_gradients(network: Network, team: Team) -> None:
    """Give each weight the sum of all workers' gradients; one that none of them has stays so."""
    if team.size == 1:
        return
    weights = list(network.weights.values())
    own = [torch.zeros_like(each) if each.grad is None else each.grad for each in weights]
    there = torch.tensor([float(each.grad is not None) for each in weights], device=network.device)
    *sums, there = team.add_up(torch.cat([each.flatten() for each in (*own, there)])).split(
        [each.numel() for each in (*own, there)]
    )
    for weight, gradient, known in zip(weights, sums, there.tolist(), strict=True):
        weight.grad = gradient.view_as(weight) if known else None


def _vectors(network: Network, part: Part, seed: tuple[int, ...]) -> torch.Tensor:
    [state] = np.random.SeedSequence(seed).generate_state(1, np.uint64)
    torch.manual_seed(int(state))
    return network.vectors(part.token_ids, part.lengths)
