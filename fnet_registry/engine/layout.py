"""The layout of weights that the engine wants; without torch, for those who only pass them on."""

from dataclasses import replace

import numpy as np

from fnet_registry.presets.checkpoint import Checkpoint


def laid_out_for_engine(checkpoint: Checkpoint) -> Checkpoint:
    """The same checkpoint, with kernels so laid out that a float32 engine on the CPU copies none.

    Keras stores a kernel by rows of `(inputs, outputs)`; the products run best over rows of
    `(outputs, inputs)`. Workers that share the result's arrays share all weights.

    Args:
        checkpoint: Any checkpoint; arrays that lie well already are kept.
    """
    arrays = {
        name: np.asfortranarray(values) if name.endswith(".kernel") else values
        for name, values in checkpoint.arrays.items()
    }
    return replace(checkpoint, arrays=arrays)
