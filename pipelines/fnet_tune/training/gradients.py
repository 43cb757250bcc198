"""One step's gradients, in memory that does not depend on the size of the batch.

Texts go through the network in parts. Where the parts' activations do not fit together, the vectors
of all of them are computed first without gradients, then the loss over them, and then each part
once more to pass its share of the gradient on (Gao et al., 2021). Every part draws its dropout by
(seed, step, part), so it is the same both times, wherever it runs.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from fnet_registry.presets.config import FNetConfig
from fnet_tune.training.batches import Batch, Part
from fnet_tune.training.losses import Examples
from fnet_tune.training.network import Network

MOST_ACTIVATIONS = 1 << 30  # bytes

Loss = Callable[[torch.Tensor, Examples], torch.Tensor]


def backward(
    network: Network, batch: Batch, loss_of: Loss, *, seed: tuple[int, ...], at_once: bool
) -> float:
    """Add the gradient of a batch's loss to the network's weights.

    Args:
        network: The network.
        batch: The batch.
        loss_of: The loss over the vectors of its texts, `(texts, hidden)`.
        seed: What draws the dropout, beside the part's number.
        at_once: Whether all parts' activations are kept, or each part is computed twice.

    Returns:
        The loss.
    """
    parts = [(part, (*seed, number)) for number, part in enumerate(batch.parts)]
    with torch.set_grad_enabled(at_once):
        computed = torch.cat([_vectors(network, *part) for part in parts])
    if not at_once:
        computed.requires_grad_()
    loss = loss_of(computed[_in_order(batch, network)], batch.examples.to(network.device))
    loss.backward()
    if not at_once:
        assert computed.grad is not None
        shares = computed.grad.split([len(part.rows) for part in batch.parts])
        for part, share in zip(parts, shares, strict=True):
            _vectors(network, *part).backward(share)
    return loss.item()


@torch.no_grad()
def vectors_of(network: Network, batch: Batch) -> torch.Tensor:
    """Return the vectors of a batch's texts, `(texts, hidden)`, by a network without dropout."""
    parts = [network.vectors(part.token_ids, part.lengths) for part in batch.parts]
    return torch.cat(parts)[_in_order(batch, network)]


def fits(batch: Batch, config: FNetConfig) -> bool:
    """Return whether the activations of all parts may be kept at once."""
    positions = sum(part.token_ids.numel() for part in batch.parts)
    values = config.num_layers * (6 * config.hidden_dim + 2 * config.intermediate_dim)
    return 4 * positions * values <= MOST_ACTIVATIONS


def _in_order(batch: Batch, network: Network) -> torch.Tensor:
    """Return where each text of a batch stands among the texts of its parts."""
    order = np.argsort(np.concatenate([part.rows for part in batch.parts]))
    return torch.from_numpy(order).to(network.device)


def _vectors(network: Network, part: Part, seed: tuple[int, ...]) -> torch.Tensor:
    [state] = np.random.SeedSequence(seed).generate_state(1, np.uint64)
    torch.manual_seed(int(state))
    return network.vectors(part.token_ids, part.lengths)
