"""Figures that several kinds share."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np


def means(columns: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return each column's mean along the last axis."""
    return {name: values.mean(axis=-1) for name, values in columns.items()}
