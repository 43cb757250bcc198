"""Whether this machine computes the vectors that a version was saved with."""

from __future__ import annotations

from base64 import b64decode

from fnet_mlflow.content.probe import Probe, ProbeReport, check_probe, probe_from_bytes, read_probe
from fnet_mlflow.saving.description import PROBE_TAG
from fnet_mlflow.serving.load import LocatedModel, find_model, open_encoder


def verify_model(
    model_uri: str,
    *,
    device: str | None = None,
    dtype: str | None = None,
    num_threads: int | None = None,
) -> ProbeReport:
    """Recompute a model's probe texts and say how far the vectors lie from the saved ones.

    What was saved, and registered, is checked first, as at every load.

    Args:
        model_uri: Any URI that MLflow reads, for example `models:/fnet/1`.
        device: A torch device; None takes the setting saved with the model, as below.
        dtype: `"float32"` or `"bfloat16"`; each has a bound of its own.
        num_threads: CPU threads.

    Raises:
        ModelError: It is no FNet model, or one whose format this code does not read.
        DamagedFileError: A file is missing, or the model is not the one that was saved or
            registered.
        MlflowException: There is no such model.
    """
    model = find_model(model_uri)
    chosen = {"device": device, "dtype": dtype, "num_threads": num_threads}
    given = {name: value for name, value in chosen.items() if value is not None}
    encoder = open_encoder(model, **{**model.settings, **given, "verify": False})
    return check_probe(encoder, _registered_probe(model) or read_probe(model.data))


def _registered_probe(model: LocatedModel) -> Probe | None:
    """Return the probe that a version carries in the registry, where it only refers to a hub."""
    stored = model.tags.get(PROBE_TAG)
    return None if stored is None else probe_from_bytes(b64decode(stored))
