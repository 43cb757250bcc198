"""Trains a bag of pieces on pairs of texts."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from bag import Bag, Pieces

from fnet_registry.presets.config import FNetConfig

STEPS, BATCH, SCALE = 4000, 1024, 20.0
BROAD = 0.6
"""The share of the steps that see pairs of all kinds; the others see summaries alone."""
SAVED_EACH = 250  # steps


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs:
    """Texts that belong together.

    Attributes:
        anchors: The pairs' first texts.
        positives: The pairs' second texts.
        chances: How often each pair is drawn, of shape `(pairs,)`.
        summaries: Which pairs are a summary and what it sums up, of shape `(pairs,)`.
    """

    anchors: Pieces
    positives: Pieces
    chances: np.ndarray
    summaries: np.ndarray


def train_bag(config: FNetConfig, pairs: Pairs, state: Path) -> Bag:
    """Train a bag whose vector of an anchor finds its positive in a batch.

    Args:
        config: The model's sizes.
        pairs: The texts.
        state: A file to keep the training's state in; it goes on from there.
    """
    torch.manual_seed(0)
    ids = np.concatenate([pairs.anchors.ids, pairs.positives.ids])
    bag = Bag(config, np.bincount(ids, minlength=config.vocabulary_size) + 1)
    groups = [
        {"params": [bag.vectors], "lr": 5e-3},
        {"params": [bag.places], "lr": 1e-2},
        {"params": [*bag.inner.parameters(), *bag.outer.parameters()], "lr": 1e-3},
    ]
    optimizer = torch.optim.Adam(groups, fused=True)
    decay = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
    parts = {"bag": bag, "optimizer": optimizer, "decay": decay}
    first = _load(state, parts) if state.exists() else 0
    of_all_kinds, of_summaries = map(np.cumsum, (pairs.chances, pairs.chances * pairs.summaries))
    for step in range(first, STEPS):
        if step % SAVED_EACH == 0:
            _save(state, parts, step)
        rows = _draw(of_all_kinds if step < BROAD * STEPS else of_summaries, step)
        there, back = (bag(*side.read(rows)) for side in (pairs.anchors, pairs.positives))
        scores, own = SCALE * there @ back.T, torch.arange(BATCH)
        loss = (F.cross_entropy(scores, own) + F.cross_entropy(scores.T, own)) / 2
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        decay.step()
        if step % SAVED_EACH == 0:
            print(f"step {step:,} of {STEPS:,}: loss {loss.item():.3f}", flush=True)
    return bag


def _draw(chances: np.ndarray, step: int) -> np.ndarray:
    """Draw rows by their chances, which are added up."""
    drawn = np.random.default_rng(step).random(BATCH)
    return np.searchsorted(chances, drawn * chances[-1], side="right")


def _save(path: Path, parts: dict[str, Any], step: int) -> None:
    unfinished = path.with_name(f"{path.name}.unfinished")
    torch.save(
        {name: part.state_dict() for name, part in parts.items()} | {"step": step}, unfinished
    )
    unfinished.rename(path)


def _load(path: Path, parts: dict[str, Any]) -> int:
    saved = torch.load(path)
    for name, part in parts.items():
        part.load_state_dict(saved[name])
    return saved["step"]
