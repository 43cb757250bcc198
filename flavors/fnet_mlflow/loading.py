"""Loading a model as an encoder that runs."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlflow import pyfunc
from mlflow.artifacts import download_artifacts
from mlflow.models import Model
from mlflow.models.model import MLMODEL_FILE_NAME

from fnet_mlflow.location import forget, locate_model
from fnet_mlflow.probe import check_probe, read_probe
from fnet_mlflow.storage import FLAVOR_NAME, check_digests, read_record
from fnet_registry.errors import DamagedFileError, ModelError, ProbeError
from fnet_registry.presets.checkpoint import read_checkpoint

if TYPE_CHECKING:
    from fnet_registry.encoding.encoder import TextEncoder


@dataclass(frozen=True, slots=True, kw_only=True)
class LocatedModel:
    """A model on this machine.

    Attributes:
        data: Its data folder.
        settings: The load-time settings that were saved with it.
    """

    data: Path
    settings: Mapping[str, Any]


def load_model(
    model_uri: str,
    dst_path: str | None = None,
    *,
    device: str | None = None,
    dtype: str | None = None,
    batch_size: int | None = None,
    num_threads: int | None = None,
    verify: bool | None = None,
) -> "TextEncoder":
    """Loads a saved, logged or registered model as a `TextEncoder`.

    Args:
        model_uri: Any URI that MLflow reads, for example `models:/fnet/1` or
            `models:/fnet@champion`.
        dst_path: An existing folder to download to. By default a local store is read in place,
            and a remote one's model is kept once for all processes of this machine.
        device: A torch device; None takes the setting saved with the model, as below.
        dtype: `"float32"` or `"bfloat16"`.
        batch_size: Texts to work on at once.
        num_threads: CPU threads.
        verify: Whether to recompute the probe texts and compare them with the saved vectors.

    Raises:
        ModelError: It is no FNet model, or one whose format this code does not read.
        DamagedFileError: A file is missing or holds other bytes than were saved.
        ProbeError: With `verify`, where this machine computes other vectors.
        MlflowException: There is no such model.
    """
    model = find_model(model_uri, dst_path)
    chosen = {
        "device": device,
        "dtype": dtype,
        "batch_size": batch_size,
        "num_threads": num_threads,
        "verify": verify,
    }
    given = {name: value for name, value in chosen.items() if value is not None}
    return open_encoder(model.data, **{**model.settings, **given})


def find_model(model_uri: str, dst_path: str | None = None) -> LocatedModel:
    """Brings a model to this machine without opening it.

    Args:
        model_uri: As in `load_model`.
        dst_path: As in `load_model`.

    Raises:
        ModelError: It is no FNet model.
        MlflowException: There is no such model.
    """
    if dst_path is None:
        folder = locate_model(model_uri)
    else:
        folder = Path(download_artifacts(artifact_uri=model_uri, dst_path=dst_path))
    if not (folder / MLMODEL_FILE_NAME).is_file():
        raise ModelError(
            "Expected an MLflow model, for example models:/fnet/1 or a folder with a file "
            f"{MLMODEL_FILE_NAME}. Received: {model_uri}"
        )
    flavors = Model.load(folder).flavors
    if FLAVOR_NAME not in flavors:
        raise ModelError(
            f"Expected a model of the flavor {FLAVOR_NAME!r}, as fnet_mlflow.log_model writes it. "
            f"Received: {model_uri} with {', '.join(flavors)}"
        )
    return LocatedModel(
        data=folder / flavors[FLAVOR_NAME]["data"],
        settings=flavors[pyfunc.FLAVOR_NAME]["config"],
    )


def open_encoder(data: Path, *, verify: bool = False, **settings: Any) -> "TextEncoder":
    """Opens a model's data folder.

    Args:
        data: The folder that `save_model` wrote.
        verify: Whether to recompute the probe texts first.
        **settings: `device`, `dtype`, `batch_size` and `num_threads` of the `TextEncoder`.

    Raises:
        FormatError: The folder is no model that this code reads.
        DamagedFileError: A file is missing or holds other bytes than were saved.
        ProbeError: This machine does not compute the recorded vectors.
    """
    record = read_record(data)
    with ThreadPoolExecutor(max_workers=1) as pool:
        # Hashing releases the interpreter, and importing torch takes about as long.
        digests = pool.submit(check_digests, data, record)
        from fnet_registry.encoding.encoder import TextEncoder

        try:
            digests.result()
        except DamagedFileError:
            forget(data.parent)
            raise
    encoder = TextEncoder.from_checkpoint(read_checkpoint(data), record.encoding, **settings)
    if verify:
        report = check_probe(encoder, read_probe(data))
        if not report.passed:
            raise ProbeError(f"This machine computes other vectors than were saved. {report}")
    return encoder
