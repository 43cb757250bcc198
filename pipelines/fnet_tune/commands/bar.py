"""A tuning's progress on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fnet_ray.commands.bar import TerminalProgress, duration
from fnet_registry.progress import progress_bar

if TYPE_CHECKING:
    from tqdm import tqdm

    from fnet_tune.training.loop import Progress


class ProgressBar(TerminalProgress["Progress"]):
    """Shows how far a tuning is."""

    def _start(self, figures: Progress) -> tqdm:
        return progress_bar(total=figures.recipe.steps, initial=figures.state.step - 1, unit="step")

    def _place(self, figures: Progress) -> int:
        return figures.state.step

    def _beside(self, figures: Progress) -> str:
        metric = figures.state.metric
        held_out = "" if metric is None else f", held out {metric:.4f}"
        return f"loss {figures.loss:.3f}{held_out}"

    def _line(self, figures: Progress) -> str:
        left = f", {duration(figures.seconds_left)} left" if figures.seconds_left else ""
        place = f"step {figures.state.step:,} of {figures.recipe.steps:,}"
        return f"{place}, {self._beside(figures)}{left}"
