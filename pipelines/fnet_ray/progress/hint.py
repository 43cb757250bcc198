"""What a user should know before the work is done."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fnet_ray.progress.tally import Progress

logger = logging.getLogger(__name__)

MOST = 0.5
"""From this share on, texts that are cut are worth a word."""
SPLIT_HINT = "--long-text split embeds all of each, in windows"


class LongTextHint:
    """Says once that most texts are cut, as soon as the first shard is tokenized.

    The workers' own figures say so before a vector is computed, and cost nothing. A sample, as
    `preview` draws it, would read row groups and tokenize texts that the job reads again.
    """

    def __init__(self) -> None:
        self._said = False

    def __call__(self, progress: Progress) -> None:
        """Take new figures."""
        if progress.cut_share > MOST and not self._said:
            self._said = True
            logger.warning(
                "%.0f%% of the texts are cut to the model's sequence length; %s",
                100 * progress.cut_share,
                SPLIT_HINT,
            )
