"""How a model is tuned: few options, with defaults that follow from the model and the data."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, TypedDict, Unpack

from fnet_registry.encoding.config import split_options
from fnet_registry.errors import ConfigError
from fnet_registry.shown import shown

DEFAULT_BATCH_SIZE = 128
DEFAULT_EPOCHS, FEWEST_STEPS_OF_ONE_EPOCH = 10, 1000
WARM_UP_SHARE = 0.1
EVALUATIONS, MOST_STEPS_BETWEEN = 10, 500
_LARGEST_SEED = 1 << 32
_MOST_EPOCHS = 1_000_000


class RecipeOptions(TypedDict, total=False):
    """What a user may say of a recipe; an option left out, or None, has its default.

    Args:
        batch_size: Examples of a step, each of which has all the others for negatives; 128.
        epochs: How often each example is read; 10, or as often as fits in 1,000 steps, but once.
        learning_rate: The highest; 3e-4 for a width of 256, and less for wider models.
        seed: What draws the order of examples and the dropout; 0.
    """

    batch_size: int | None
    epochs: float | None
    learning_rate: float | None
    seed: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """A recipe for one model and one set of examples.

    Args:
        batch_size: Examples of a step.
        steps: Steps in all, unless it stops early.
        learning_rate: The highest, which the first tenth of the steps warms up to, and the others
            lower to 0 along a cosine.
        seed: What draws the order of examples and the dropout.
        evaluate_every: Steps from one look at the held-out examples to the next.
    """

    batch_size: int
    steps: int
    learning_rate: float
    seed: int
    evaluate_every: int

    def learning_rate_at(self, step: int) -> float:
        """Return the learning rate of a step, from 0 on."""
        warm_up = math.ceil(WARM_UP_SHARE * self.steps)
        if step < warm_up:
            return self.learning_rate * (step + 1) / warm_up
        done = (step - warm_up) / max(1, self.steps - warm_up)
        return self.learning_rate * (1 + math.cos(math.pi * done)) / 2

    def is_due(self, step: int) -> bool:
        """Return whether the held-out examples are looked at after so many steps."""
        return step == self.steps or step % self.evaluate_every == 0

    def to_dict(self) -> dict[str, Any]:
        """Return the recipe as plain values."""
        return asdict(self)


def check_recipe(**options: Unpack[RecipeOptions]) -> dict[str, Any]:
    """Return the options that are given.

    Raises:
        ConfigError: If a value is impossible.
        TypeError: If there is no such option.
    """
    [given] = split_options(options, RecipeOptions)
    for name, kind in (("batch_size", int), ("seed", int), ("epochs", float)):
        _check_number(given, name, kind)
    _check_number(given, "learning_rate", float)
    if given.get("batch_size", 2) < 2:  # noqa: PLR2004  (an example has another for a negative)
        raise ConfigError(f"`batch_size` must be at least 2. Received: {given['batch_size']}")
    if not 0 <= given.get("seed", 0) < _LARGEST_SEED:
        raise ConfigError(f"`seed` must lie in [0, 2**32). Received: {shown(given['seed'])}")
    for name, most in (("epochs", _MOST_EPOCHS), ("learning_rate", math.inf)):
        if not 0 < given.get(name, 1) < most:
            limit = "" if most == math.inf else f" and below {most:,}"
            raise ConfigError(f"`{name}` must be above 0{limit}. Received: {shown(given[name])}")
    return given


def complete_recipe(options: Mapping[str, Any], *, count: int, hidden_dim: int) -> Recipe:
    """Complete checked options for so many examples and a model of a width."""
    batch_size = min(options.get("batch_size", DEFAULT_BATCH_SIZE), count)
    epoch = max(1, count // batch_size)
    default = max(epoch, min(DEFAULT_EPOCHS * epoch, FEWEST_STEPS_OF_ONE_EPOCH))
    epochs = options.get("epochs")
    steps = default if epochs is None else max(1, round(epochs * epoch))
    return Recipe(
        batch_size=batch_size,
        steps=steps,
        learning_rate=options.get("learning_rate") or _learning_rate(hidden_dim),
        seed=options.get("seed", 0),
        evaluate_every=min(MOST_STEPS_BETWEEN, math.ceil(steps / EVALUATIONS)),
    )


def _learning_rate(hidden_dim: int) -> float:
    """Return 3.2e-4 for a width of 256, 3.6e-5 for 768, 2e-5 for 1,024, and 1e-3 at most."""
    return min(1e-3, 2e-5 * (1024 / hidden_dim) ** 2)


def _check_number(given: Mapping[str, Any], name: str, kind: type) -> None:
    value = given.get(name, 1)
    if isinstance(value, bool) or not isinstance(value, (int, kind)):
        raise ConfigError(f"`{name}` must be a number, for example 1. Received: {shown(value)}")
