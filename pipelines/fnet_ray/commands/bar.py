"""Progress on a terminal: a live bar, or a line every ten seconds where there is none."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Self

from tqdm import tqdm

from fnet_ray.progress.tally import Progress

LINE_SECONDS = 10.0


class ProgressBar:
    """Shows a job's progress on stderr. Call it with each new `Progress`."""

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
        if self._bar is None:
            self._bar = tqdm(
                total=progress.rows, initial=progress.encoded, unit="row", unit_scale=True
            )
        self._bar.set_postfix_str(
            f"{progress.tokens_per_second:,.0f} tokens/s, {progress.rejects:,} rejected"
        )
        self._bar.update(progress.encoded - self._bar.n)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop showing."""
        if self._bar is not None:
            self._bar.close()

    def _print_line(self, progress: Progress) -> None:
        if time.monotonic() - self._printed >= LINE_SECONDS:
            self._printed = time.monotonic()
            print(f"fnet: {describe(progress)}", file=sys.stderr, flush=True)


def describe(progress: Progress) -> str:
    """Return the figures as one line."""
    share = progress.encoded / progress.rows if progress.rows else 1.0
    left = progress.seconds_left
    return (
        f"{progress.encoded:,} of {progress.rows:,} rows ({share:.0%}), "
        f"{progress.rows_per_second:,.0f} rows/s, {progress.tokens_per_second:,.0f} tokens/s, "
        f"{progress.rejects:,} rejected" + (f", {duration(left)} left" if left else "")
    )


def duration(seconds: float) -> str:
    """Return a length of time as a person would say it."""
    minutes, hours = seconds / 60, seconds / 3600
    if hours >= 1:
        return f"{hours:.1f} h"
    return f"{minutes:.0f} min" if minutes >= 1 else f"{seconds:.0f} s"
