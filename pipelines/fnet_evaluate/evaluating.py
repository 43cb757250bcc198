"""Evaluate models side by side on one set of data."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from fnet_evaluate.evaluation import Evaluation

if TYPE_CHECKING:
    from fnet_registry import TextEncoder

Path = str | os.PathLike[str]
Model = "Path | TextEncoder"


def evaluate(
    models: Path | TextEncoder | Sequence[Path | TextEncoder],
    data: Path | Sequence[Path],
    *,
    corpus: Path | Sequence[Path] | None = None,
    map: Mapping[str, str] | None = None,
    baselines: bool = False,
) -> list[Evaluation]:
    """To come."""
    raise NotImplementedError
