"""The head through which a model has its teacher's vectors, as it stands before the first step."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import load_file, save_file

from fnet_registry.presets.tensors import HEAD
from fnet_registry.presets.whole_file import write_file
from fnet_tune.training.batches import Batches
from fnet_tune.training.gradients import vectors_of
from fnet_tune.training.network import Network

HEAD_FILE = "teacher-head.safetensors"
_TEXTS = 4096
_RIDGE = 1e-3  # of the mean variance; more than rounding, and far less than what tells texts apart


def teacher_head(folder: Path, parent: Network, batches: Batches) -> dict[str, np.ndarray]:
    """Return the head that brings a model's vectors nearest to its teacher's.

    By least squares over some thousands of texts, so that training begins with the directions that
    the model knows already. It is computed once, and lies in the folder from then on.

    Args:
        folder: Where the tuning lies.
        parent: The model, without dropout.
        batches: Texts with teacher vectors.

    Returns:
        Float32 `head.kernel` of shape `(dim, width)` and `head.bias` of shape `(width,)`.
    """
    path = folder / HEAD_FILE
    if not path.exists():
        head = _least_squares(parent, batches)
        write_file(path, lambda target: save_file(head, target))
    return load_file(path)


def _least_squares(parent: Network, batches: Batches) -> dict[str, np.ndarray]:
    count = min(_TEXTS, len(batches.sampler)) // batches.batch_size
    read = [batches.read(step) for step in range(max(1, count))]
    own = torch.cat([vectors_of(parent, each)[each.examples.place[:, 0]] for each in read])
    vectors = own.double().cpu().numpy()
    wanted = torch.cat([each.examples.wanted for each in read]).double().numpy()
    mean, wanted_mean = vectors.mean(0), wanted.mean(0)
    centred = vectors - mean
    covariance = centred.T @ centred
    ridge = _RIDGE * max(np.trace(covariance) / len(covariance), np.finfo(np.float32).tiny)
    covariance += ridge * np.eye(len(covariance))
    kernel = np.linalg.solve(covariance, centred.T @ (wanted - wanted_mean))
    head = {f"{HEAD}.kernel": kernel, f"{HEAD}.bias": wanted_mean - mean @ kernel}
    return {name: values.astype(np.float32) for name, values in head.items()}
