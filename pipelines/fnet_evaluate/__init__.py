"""Which version is better: figures of encoders on a user's own data, with their intervals.

The names below are loaded on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fnet_registry.lazy import lazy_names

_HOMES = {
    "Decision": "fnet_evaluate.registry.decision",
    "Evaluation": "fnet_evaluate.evaluation",
    "Figure": "fnet_evaluate.evaluation",
    "evaluate": "fnet_evaluate.evaluating",
    "log_evaluation": "fnet_evaluate.registry.logged",
    "paired_difference": "fnet_evaluate.bootstrap",
    "promote": "fnet_evaluate.registry.promotion",
    "roll_back": "fnet_evaluate.registry.promotion",
}

__all__ = [
    "Decision",
    "Evaluation",
    "Figure",
    "evaluate",
    "log_evaluation",
    "paired_difference",
    "promote",
    "roll_back",
]

if TYPE_CHECKING:
    from fnet_evaluate.bootstrap import paired_difference
    from fnet_evaluate.evaluating import evaluate
    from fnet_evaluate.evaluation import Evaluation, Figure
    from fnet_evaluate.registry.decision import Decision
    from fnet_evaluate.registry.logged import log_evaluation
    from fnet_evaluate.registry.promotion import promote, roll_back


__getattr__, __dir__ = lazy_names(__name__, _HOMES)
