"""Progress on a terminal: a live bar, or a line every ten seconds where there is none."""

from __future__ import annotations

import sys
import time
from abc import ABC, abstractmethod
from types import TracebackType
from typing import TYPE_CHECKING, Generic, Self, TypeVar

from fnet_registry.progress import progress_bar
from fnet_registry.shown import counted

if TYPE_CHECKING:
    from tqdm import tqdm

    from fnet_ray.progress.tally import Progress

LINE_SECONDS = 10.0

Figures = TypeVar("Figures")


class TerminalProgress(ABC, Generic[Figures]):
    """Shows figures on stderr. Call it with each new ones."""

    def __enter__(self) -> Self:
        """Start showing."""
        self._bar: tqdm | None = None
        self._printed = time.monotonic()
        return self

    def __call__(self, figures: Figures) -> None:
        """Take new figures."""
        if not sys.stderr.isatty():
            self._print_line(figures)
            return
        if self._bar is None:
            self._bar = self._start(figures)
        self._bar.set_postfix_str(self._beside(figures))
        self._bar.update(self._place(figures) - self._bar.n)

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

    def _print_line(self, figures: Figures) -> None:
        if time.monotonic() - self._printed >= LINE_SECONDS:
            self._printed = time.monotonic()
            print(f"fnet: {self._line(figures)}", file=sys.stderr, flush=True)

    @abstractmethod
    def _start(self, figures: Figures) -> tqdm:
        """Make the bar."""

    @abstractmethod
    def _place(self, figures: Figures) -> int:
        """Return where the bar is to stand."""

    @abstractmethod
    def _beside(self, figures: Figures) -> str:
        """Return what stands beside it."""

    @abstractmethod
    def _line(self, figures: Figures) -> str:
        """Return all of it as one line."""


class ProgressBar(TerminalProgress["Progress"]):
    """Shows how far a job is."""

    def _start(self, figures: Progress) -> tqdm:
        done = figures.encoded
        return progress_bar(total=figures.rows, initial=done, unit="row", unit_scale=True)

    def _place(self, figures: Progress) -> int:
        return figures.encoded

    def _beside(self, figures: Progress) -> str:
        return f"{figures.tokens_per_second:,.0f} tokens/s, {figures.rejects:,} rejected"

    def _line(self, figures: Progress) -> str:
        return describe(figures)


def describe(progress: Progress) -> str:
    """Return the figures as one line."""
    share = progress.encoded / progress.rows if progress.rows else 1.0
    left = progress.seconds_left
    return (
        f"{progress.encoded:,} of {counted(progress.rows, 'row')} ({share:.0%}), "
        f"{progress.rows_per_second:,.0f} rows/s, {progress.tokens_per_second:,.0f} tokens/s, "
        f"{progress.rejects:,} rejected" + (f", {duration(left)} left" if left else "")
    )


def duration(seconds: float) -> str:
    """Return a length of time as a person would say it."""
    minutes, hours = seconds / 60, seconds / 3600
    if hours >= 1:
        return f"{hours:.1f} h"
    return f"{minutes:.0f} min" if minutes >= 1 else f"{seconds:.0f} s"
