"""Evaluations as a table for people, and as JSON for programs."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from fnet_evaluate.bootstrap import paired_difference
from fnet_evaluate.evaluation import Evaluation, Figure
from fnet_evaluate.kinds import KINDS
from fnet_mlflow.commands.table import format_table
from fnet_registry.shown import counted


def as_table(evaluations: Sequence[Evaluation]) -> str:
    """Set evaluations side by side, figure by figure.

    Args:
        evaluations: Those of one set of data; the further ones are compared with the first.
    """
    first, *_ = evaluations
    differences = _differences(evaluations)
    header = ["FIGURE", "MODEL", "VALUE", "95 % INTERVAL"]
    if differences:
        header += ["DIFFERENCE", "INTERVAL", ""]
    rows = [
        [name if each is first else "", each.model, *_cells(each.figures[name], ".4f")]
        + (_compared(differences[place - 1][name]) if place else [""] * (len(header) - 4))
        for name in first.figures
        for place, each in enumerate(evaluations)
    ]
    unit = KINDS[first.kind].unit
    singular = re.sub("ies$", "ys", unit).removesuffix("s")
    count = counted(first.count, singular, unit)
    lines = [f"{first.data}: {count}, SHA-256 {first.data_digest[:12]}"]
    if differences:
        lines.append(f"differences are to {first.model}, on the same {unit}")
    return "\n".join([*lines, "", format_table(header, rows)])


def as_json(evaluations: Sequence[Evaluation]) -> str:
    """Write evaluations as one JSON object with full digits; what is not defined is null."""
    first, *_ = evaluations
    differences: list[Any] = [None, *map(_plain, _differences(evaluations))]
    models = [
        {"model": each.model, "figures": _plain(each.figures), "difference": difference}
        for each, difference in zip(evaluations, differences, strict=True)
    ]
    shared = {name: getattr(first, name) for name in ("data", "data_digest", "kind", "count")}
    return json.dumps({**shared, "models": models}, indent=1, allow_nan=False)


def _differences(evaluations: Sequence[Evaluation]) -> list[dict[str, Figure]]:
    """Return how each further model differs from the first."""
    first, *others = evaluations
    return [paired_difference(first.kind, each.items, first.items) for each in others]


def _cells(figure: Figure, digits: str) -> list[str]:
    if math.isnan(figure.value):
        return ["-", "-"]
    if math.isnan(figure.low):
        return [f"{figure.value:{digits}}", "too few items"]
    ends = (f"{end:{digits}}" for end in (figure.low, figure.high))
    return [f"{figure.value:{digits}}", " … ".join(ends)]


def _compared(difference: Figure) -> list[str]:
    word = "higher" if difference.low > 0 else "lower" if difference.high < 0 else ""
    return [*_cells(difference, "+.4f"), word]


def _plain(figures: Mapping[str, Figure]) -> dict[str, Any]:
    return {name: figure.plain() for name, figure in figures.items()}
