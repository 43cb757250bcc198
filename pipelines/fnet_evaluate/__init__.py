"""Which version is better: figures of encoders on a user's own data, with their intervals.

The names below are loaded on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fnet_registry.lazy import lazy_names

_HOMES = {
    "Evaluation": "fnet_evaluate.evaluation",
    "Figure": "fnet_evaluate.evaluation",
    "evaluate": "fnet_evaluate.evaluating",
    "paired_difference": "fnet_evaluate.bootstrap",
}

__all__ = ["Evaluation", "Figure", "evaluate", "paired_difference"]

if TYPE_CHECKING:
    from fnet_evaluate.bootstrap import paired_difference
    from fnet_evaluate.evaluating import evaluate
    from fnet_evaluate.evaluation import Evaluation, Figure


__getattr__, __dir__ = lazy_names(__name__, _HOMES)
