"""How far a tuning is, and which weights were the best."""

from dataclasses import replace
from pathlib import Path

import torch

from fnet_registry.presets.checkpoint import Checkpoint
from fnet_tune.training.network import Network
from fnet_tune.training.state import State, read_best, read_state, write_best, write_state


def test_only_what_brings_nothing_in_the_second_half_counts() -> None:
    state = State(step=0)
    for step, metric in ((100, 0.2), (200, 0.1), (300, 0.1), (400, 0.1), (500, 0.1)):
        state = replace(state, step=step).evaluated(metric, steps=1000)
    assert (state.best_step, state.stale) == (100, 0)
    assert not replace(state, step=501).is_over(1000)
    for step in (600, 700, 800):
        assert not state.is_over(1000)
        state = replace(state, step=step).evaluated(0.1, steps=1000)
    assert state.is_over(1000)


def test_the_best_weights_are_those_that_the_state_names(
    checkpoint: Checkpoint, tmp_path: Path
) -> None:
    network = Network(checkpoint, "mean", device="cpu")
    weight = next(iter(network.weights.values()))
    optimizer = torch.optim.AdamW(network.weights.values())
    best = weight.detach().clone()
    write_best(network, tmp_path, 10)
    write_state(State(step=10, best_step=10), network, optimizer, tmp_path)
    weight.data.add_(1.0)
    write_best(network, tmp_path, 20)  # and killed, before it wrote its state
    state = read_state(network, optimizer, tmp_path)
    read_best(network, tmp_path, state.best_step)
    assert torch.equal(weight, best)
    write_state(replace(state, step=30), network, optimizer, tmp_path)
    assert [path.name for path in tmp_path.glob("best*")] == ["best-10.safetensors"]
