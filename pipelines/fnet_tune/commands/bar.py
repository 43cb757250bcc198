"""A tuning's progress on a terminal: a live bar, or now and then a line where there is none."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

from tqdm import tqdm

from fnet_ray.commands.bar import LINE_SECONDS, duration

if TYPE_CHECKING:
    from fnet_tune.training.loop import Progress


class ProgressBar:
    """Shows progress on stderr. Call it with each new `Progress`."""

    def __enter__(self) -> Self:
        """Start showing."""
        self._bar: tqdm | None = None
        self._printed = time.monotonic()
        return self

    def __call__(self, progress: Progress) -> None:
        """Take new figures."""
        if not sys.stderr.isatty():
            self._print_line(progress)
            return
        step, steps = progress.state.step, progress.recipe.steps
        if self._bar is None:
            self._bar = tqdm(total=steps, initial=step - 1, unit="step")
        self._bar.set_postfix_str(_figures(progress))
        self._bar.update(step - self._bar.n)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop showing."""
        self.close()

    def close(self) -> None:
        """Stop showing."""
        if self._bar is not None:
            self._bar.close()

    def _print_line(self, progress: Progress) -> None:
        if time.monotonic() - self._printed >= LINE_SECONDS:
            self._printed = time.monotonic()
            left = f", {duration(progress.seconds_left)} left" if progress.seconds_left else ""
            place = f"step {progress.state.step:,} of {progress.recipe.steps:,}"
            print(f"fnet: {place}, {_figures(progress)}{left}", file=sys.stderr, flush=True)


def _figures(progress: Progress) -> str:
    metric = progress.state.metric
    held_out = "" if metric is None else f", held out {metric:.4f}"
    return f"loss {progress.loss:.3f}{held_out}"
