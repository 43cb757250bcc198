"""Whether this machine computes the vectors that a version was saved with."""

from __future__ import annotations

from base64 import b64decode
from typing import Any, Unpack

from fnet_mlflow.content.probe import Probe, ProbeReport, check_probe, probe_from_bytes, read_probe
from fnet_mlflow.saving.description import PROBE_TAG
from fnet_mlflow.serving.load import LocalModel, find_model, open_encoder
from fnet_registry.encoding.config import LoadOptions, split_options


def verify_model(model_uri: str, **options: Unpack[LoadOptions]) -> ProbeReport:
    """Recompute a model's probe texts and say how far the vectors lie from the saved ones.

    What was saved, and registered, is checked first, as at every load.

    Args:
        model_uri: Any URI that MLflow reads, for example `models:/fnet/1`.
        **options: `LoadOptions`: `device`, `dtype`, `batch_size` and `num_threads`. What is left
            out, or None, is as it was saved with the model. Each dtype has a bound of its own.

    Raises:
        ModelError: It is no FNet model, or one whose format this code does not read.
        DamagedFileError: A file is missing, or the model is not the one that was saved or
            registered.
        MlflowException: There is no such model.
        TypeError: There is no such option.
    """
    [given] = split_options(options, LoadOptions)
    model = find_model(model_uri)
    settings: dict[str, Any] = {**model.settings, **given, "verify": False}
    encoder = open_encoder(model, **settings)
    return check_probe(encoder, _registered_probe(model) or read_probe(model.data))


def _registered_probe(model: LocalModel) -> Probe | None:
    """Return the probe that a version carries in the registry, where it only refers to a hub."""
    stored = model.tags.get(PROBE_TAG)
    return None if stored is None else probe_from_bytes(b64decode(stored))
