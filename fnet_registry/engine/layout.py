"""The layout of weights that the engine wants; without torch, for those who only pass them on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from fnet_registry.presets.checkpoint import Checkpoint


def laid_out_for_engine(checkpoint: Checkpoint, *, copy: bool = False) -> Checkpoint:
    """Lay out kernels so that a float32 engine on the CPU copies none.

    Keras stores a kernel by rows of `(inputs, outputs)`; the products run best over rows of
    `(outputs, inputs)`. Workers that share the result's arrays share all weights. With `copy`,
    arrays that lie well already are copied too, so that nobody else writes to them.
    """
    arrays = {
        name: np.array(
            values, order="F" if name.endswith(".kernel") else "C", copy=True if copy else None
        )
        for name, values in checkpoint.arrays.items()
    }
    return replace(checkpoint, arrays=arrays)


def with_views_copied(checkpoint: Checkpoint) -> Checkpoint:
    """Return the same checkpoint, with copies of all arrays that an engine on the CPU would view.

    They may be mapped from a file that somebody rewrites. Kernels by rows of `(inputs, outputs)`
    are left as they are, because the engine copies them.
    """
    arrays = {
        name: values
        if name.endswith(".kernel") and not values.flags.f_contiguous
        else np.array(values)
        for name, values in checkpoint.arrays.items()
    }
    return replace(checkpoint, arrays=arrays)
