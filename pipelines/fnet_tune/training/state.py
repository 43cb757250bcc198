"""How far a tuning is, as it lies on disk: whole, and all that the next step needs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from fnet_registry.presets.whole_file import write_file
from fnet_tune.training.network import Network
from fnet_tune.workspace import STATE_FILE

PATIENCE = 3
_WEIGHTS = "weights"


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """How far a tuning is.

    Args:
        step: Steps taken.
        metric: The last figure of the held-out examples; None before the first.
        best_metric: The highest so far.
        best_step: The step that it was seen at.
        stale: Evaluations since then, of those that count.
    """

    step: int = 0
    metric: float | None = None
    best_metric: float | None = None
    best_step: int = 0
    stale: int = 0

    def is_over(self, steps: int) -> bool:
        """Return whether all steps are taken, or so many evaluations brought nothing."""
        return self.step >= steps or self.stale >= PATIENCE

    def evaluated(self, metric: float, *, steps: int) -> Self:
        """Take in the held-out examples' figure after some of so many steps.

        In the first half, one that brings nothing does not count: while the learning rate is high,
        the figure can lie below what it comes to.
        """
        if self.best_metric is None or metric > self.best_metric:
            return replace(self, metric=metric, best_metric=metric, best_step=self.step, stale=0)
        return replace(self, metric=metric, stale=self.stale + (2 * self.step > steps))


def write_state(
    state: State, network: Network, optimizer: torch.optim.Optimizer, folder: Path
) -> None:
    """Write the state with weights and moments, in the place of the one before.

    Best weights that it does not name are then of no more use.
    """
    tensors = {f"{_WEIGHTS}/{name}": values.detach() for name, values in network.weights.items()}
    for name, weight in network.weights.items():
        moments: Mapping[str, torch.Tensor] = optimizer.state.get(weight, {})
        tensors |= {f"{key}/{name}": values for key, values in moments.items()}
    _write(tensors, folder / STATE_FILE, state=json.dumps(asdict(state)))
    for path in set(folder.glob("best-*")) - {_best_file(folder, state.best_step)}:
        path.unlink()


def read_state(network: Network, optimizer: torch.optim.Optimizer, folder: Path) -> State:
    """Set weights and moments to those of a folder; where it has none, nothing was done yet."""
    path = folder / STATE_FILE
    if not path.exists():
        return State()
    device: Any = str(network.device)
    with safe_open(path, "pt", device=device) as file, torch.no_grad():
        for key in file.keys():  # noqa: SIM118  (it is no mapping)
            part, _, name = key.partition("/")
            weight = network.weights[name]
            if part == _WEIGHTS:
                weight.copy_(file.get_tensor(key))
            else:
                optimizer.state[weight][part] = file.get_tensor(key)
        return State(**json.loads(file.metadata()["state"]))


def write_best(network: Network, folder: Path, step: int) -> None:
    """Write the weights after a step, beside the best before: the state names those yet."""
    tensors = {name: values.detach() for name, values in network.weights.items()}
    _write(tensors, _best_file(folder, step))


def read_best(network: Network, folder: Path, step: int) -> None:
    """Set the weights to the best, which were those after a step."""
    device: Any = str(network.device)
    with safe_open(_best_file(folder, step), "pt", device=device) as file, torch.no_grad():
        for name, weight in network.weights.items():
            weight.copy_(file.get_tensor(name))


def _best_file(folder: Path, step: int) -> Path:
    return folder / f"best-{step}.safetensors"


def _write(tensors: Mapping[str, torch.Tensor], path: Path, **metadata: str) -> None:
    write_file(path, lambda target: save_file(dict(tensors), target, metadata=metadata))
