"""The loop over steps: it goes on from where the folder says, and leaves the best state there."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from fnet_registry.errors import TuningError
from fnet_registry.presets.checkpoint import Checkpoint
from fnet_tune.recipe import Recipe
from fnet_tune.training.batches import Batches
from fnet_tune.training.gradients import Loss, backward, fits, vectors_of
from fnet_tune.training.losses import Examples, drift
from fnet_tune.training.network import Network
from fnet_tune.training.state import State, read_state, write_best, write_state
from fnet_tune.training.team import ALONE, Team

SAVE_SECONDS = 60.0
DRIFT_WEIGHT = 1.0
"""How much it costs to leave the parent's vectors.

Measured on a model of 2 layers of 96 that was tuned on pairs of docstrings. Tuned further on the
labels of 2,250 others, nDCG@10 on a third set fell from 0.083 to 0.033 without this, and to 0.073
with it; nearest-neighbour accuracy came to 0.808 and 0.816. On pairs of another library, nDCG@10
came to 0.425 and 0.438, and on the first library's fell from 0.638 to 0.463 and 0.498. Even from
random weights, whose vectors are worth nothing, nDCG@10 after 239 steps was 0.095 and 0.183.
"""
_WEIGHT_DECAY = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a tuning is.

    Args:
        state: Its state.
        recipe: Its recipe.
        loss: The last step's loss.
        seconds_left: How long the other steps take, at the pace of this run.
    """

    state: State
    recipe: Recipe
    loss: float
    seconds_left: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """What is trained, on what, and how.

    Args:
        network: The network, at first as its parent.
        parent: The parent, without dropout, whose vectors are kept near to; None where the examples
            say all.
        batches: What each step reads.
        loss: What is made small.
        recipe: How many steps, and how large.
        measure: The held-out examples' figure of a model; more is better. None but in the team's
            first worker.
        folder: Where the state lies.
        team: Who shares the work of each step; the first of them measures, writes and tells.
    """

    network: Network
    parent: Network | None
    batches: Batches
    loss: Loss
    recipe: Recipe
    measure: Callable[[Checkpoint], float] | None
    folder: Path
    team: Team = ALONE

    def run(self, on_progress: Callable[[Progress], None], *, stop: Callable[[], bool]) -> State:
        """Train to the end, and leave the best state in the folder.

        Args:
            on_progress: Is told of each step, in the team's first worker.
            stop: Asked there after each step; where it is True, the state is written.

        Raises:
            KeyboardInterrupt: It was stopped.
            TuningError: The loss is no number any more.
        """
        optimizer = self._optimizer()
        state = read_state(self.network, optimizer, self.folder)
        clock = _Clock(first=state.step)
        while not state.is_over(self.recipe.steps):
            loss = self._take_step(state.step, optimizer)
            state = replace(state, step=state.step + 1)
            evaluated = self.recipe.is_due(state.step)
            if evaluated:
                state = self._evaluate(state)
            stopped = bool(self.team.from_leader(stop, self.network.device))
            if self.team.leads:
                if evaluated or stopped or clock.is_time_to_save():
                    write_state(state, self.network, optimizer, self.folder)
                left = clock.seconds_left(state.step, self.recipe.steps)
                on_progress(Progress(state=state, recipe=self.recipe, loss=loss, seconds_left=left))
            if stopped:
                raise KeyboardInterrupt
        return state

    def _take_step(self, step: int, optimizer: torch.optim.Optimizer) -> float:
        batch = self.batches.read(step)
        before = self.parent and vectors_of(self.parent, batch, self.team)

        def loss_of(vectors: torch.Tensor, examples: Examples) -> torch.Tensor:
            loss = self.loss(vectors, examples)
            return loss if before is None else loss + DRIFT_WEIGHT * drift(vectors, before)

        optimizer.zero_grad()
        loss = backward(
            self.network,
            batch,
            loss_of,
            seed=(self.recipe.seed, step),
            at_once=fits(batch, self.network.config, self.team),
            team=self.team,
        )
        if not math.isfinite(loss):
            raise TuningError(
                "A loss must be a number; lower --learning-rate, which is "
                f"{self.recipe.learning_rate:g}. Received: {loss} at step {step + 1:,}"
            )
        for group in optimizer.param_groups:
            group["lr"] = self.recipe.learning_rate_at(step)
        optimizer.step()
        return loss

    def _optimizer(self) -> torch.optim.Optimizer:
        groups = [
            {
                "params": [weight],
                "weight_decay": _WEIGHT_DECAY if name.endswith(".kernel") else 0.0,
            }
            for name, weight in self.network.weights.items()
        ]
        return torch.optim.AdamW(groups, fused=True)

    def _evaluate(self, state: State) -> State:
        figure = self.team.from_leader(self._figure, self.network.device)
        evaluated = state.evaluated(figure, steps=self.recipe.steps)
        if self.team.leads and evaluated.best_step == state.step:
            write_best(self.network, self.folder, state.step)
        return evaluated

    def _figure(self) -> float:
        assert self.measure is not None
        return self.measure(self.network.checkpoint())


class _Clock:
    """The time of this run."""

    def __init__(self, *, first: int) -> None:
        self._first = first
        self._begun = self._saved = time.monotonic()

    def is_time_to_save(self) -> bool:
        """Return True once in `SAVE_SECONDS`."""
        due = time.monotonic() - self._saved >= SAVE_SECONDS
        if due:
            self._saved = time.monotonic()
        return due

    def seconds_left(self, step: int, steps: int) -> float:
        """Return how long the other steps take at the pace so far."""
        return (time.monotonic() - self._begun) / (step - self._first) * (steps - step)
