"""Loading a model as an encoder that runs."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from mlflow import pyfunc
from mlflow.artifacts import download_artifacts
from mlflow.models import Model
from mlflow.models.model import MLMODEL_FILE_NAME

from fnet_mlflow.content.digest import content_digest
from fnet_mlflow.content.probe import check_probe, read_probe
from fnet_mlflow.content.settings import digested_settings, load_settings
from fnet_mlflow.registry.local_copy import bring, forget
from fnet_mlflow.registry.lookup import StoredModel, look_up
from fnet_mlflow.registry.uri import ModelUri
from fnet_mlflow.saving.data_folder import check_files, read_record
from fnet_mlflow.saving.description import (
    DIGEST_KEY,
    DIGEST_TAG,
    FLAVOR_NAME,
    REFERENCE_KEY,
    TASK_KEY,
)
from fnet_registry.encoding.config import EncodingConfig, LoadOptions, split_options
from fnet_registry.errors import DamagedFileError, FormatError, ModelError, ProbeError
from fnet_registry.presets.checkpoint import Checkpoint, read_checkpoint

if TYPE_CHECKING:
    from fnet_registry.encoding.encoder import TextEncoder


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalModel:
    """A model on this machine, not opened yet.

    Args:
        folder: The model's folder.
        data: Its data folder.
        code: The folder of code that it ships; None where it ships none.
        settings: The load-time settings that were saved with it.
        reference: Whether it was made of a hub's preset that a version only refers to.
        digest: What `content_digest` gave when it was saved; None where nothing recorded it.
        task: The form of its answers, `llm/v1/embeddings`; None for plain vectors.
        tags: What MLflow knows of it; empty where it was not asked.
    """

    folder: Path
    data: Path
    code: Path | None
    settings: Mapping[str, Any]
    reference: bool
    digest: str | None
    task: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)


def load_model(
    model_uri: str,
    dst_path: str | None = None,
    *,
    verify: bool | None = None,
    **options: Unpack[LoadOptions],
) -> TextEncoder:
    """Load a saved, logged or registered model as a `TextEncoder`.

    What it ships in `code_paths` can be imported from then on.

    Args:
        model_uri: Any URI that MLflow reads, for example `models:/fnet/1` or
            `models:/fnet@champion`.
        dst_path: An existing folder to download to. By default a local store is read in place,
            and a remote one's model is kept once for all processes of this machine.
        verify: Whether to recompute the probe texts and compare them with the saved vectors.
        **options: `LoadOptions`: `device`, `dtype`, `batch_size` and `num_threads`. What is left
            out, or None, is as it was saved with the model; so is `verify`.

    Raises:
        ModelError: It is no FNet model, or one whose format this code does not read.
        DamagedFileError: A file is missing, or the model is not the one that was saved or
            registered.
        ProbeError: With `verify`, where this machine computes other vectors.
        MlflowException: There is no such model.
        TypeError: There is no such option.
    """
    [given] = split_options(options, LoadOptions)
    if verify is not None:
        given["verify"] = verify
    model = find_model(model_uri, dst_path)
    if model.code is not None and str(model.code.absolute()) not in sys.path:
        sys.path.insert(0, str(model.code.absolute()))
    return open_encoder(model, **{**model.settings, **given})


def find_model(model_uri: str | os.PathLike[str], dst_path: str | None = None) -> LocalModel:
    """Bring a model to this machine without opening it.

    Args:
        model_uri: As in `load_model`.
        dst_path: As in `load_model`.

    Raises:
        ModelError: It is no FNet model, or the URI names none of a registered model's versions.
        DamagedFileError: It is not the one that was registered.
        MlflowException: There is no such model.
    """
    uri = ModelUri.parse(model_uri)
    stored = look_up(uri)
    if dst_path is not None:
        named = uri if stored is None else stored.uri
        folder = Path(download_artifacts(artifact_uri=str(named), dst_path=dst_path))
    else:
        folder = bring(str(uri) if stored is None else stored.artifacts)
    model = read_model_folder(folder, str(uri))
    return model if stored is None else _as_stored(model, stored)


def _as_stored(model: LocalModel, stored: StoredModel) -> LocalModel:
    """Return the model, to be checked against the registry's digest too."""
    digest = stored.tags.get(DIGEST_TAG)
    if digest is not None and model.digest not in (None, digest):
        forget(model.folder)
        raise DamagedFileError(
            f"Expected the model that was registered as {stored.uri}, of the digest {digest}; "
            f"register it anew if it was changed on purpose. Received: {model.digest}"
        )
    return replace(model, digest=digest or model.digest, tags=stored.tags)


def read_model_folder(folder: Path, model_uri: str) -> LocalModel:
    """Read what a model's folder says of itself.

    Args:
        folder: A folder that `save_model` wrote.
        model_uri: What the user knows it by, for messages.

    Raises:
        ModelError: It is no FNet model.
    """
    path = folder / MLMODEL_FILE_NAME
    if not path.is_file():
        raise ModelError(
            "Expected an MLflow model, for example models:/fnet/1 or a folder with a file "
            f"{MLMODEL_FILE_NAME}. Received: {model_uri}"
        )
    try:
        flavors = dict(Model.load(path).flavors)
        if FLAVOR_NAME not in flavors:
            raise ModelError(
                f"Expected a model of the flavor {FLAVOR_NAME!r}, as fnet_mlflow.log_model writes "
                f"it. Received: {model_uri} with {', '.join(flavors)}"
            )
        ours, served = dict(flavors[FLAVOR_NAME]), dict(flavors[pyfunc.FLAVOR_NAME])
        code = folder / (served.get(pyfunc.CODE) or "code")
        return LocalModel(
            folder=folder,
            data=folder / ours["data"],
            code=code if code.is_dir() else None,
            settings=load_settings(served["config"]),
            reference=ours.get(REFERENCE_KEY) is True,
            digest=ours.get(DIGEST_KEY),
            task=ours.get(TASK_KEY),
        )
    except ModelError:
        raise
    except Exception as error:  # YAML and MLflow raise whatever a damaged file makes them
        raise FormatError(
            f"`{path}` must be as fnet_mlflow.log_model writes it, with the flavors "
            f"{FLAVOR_NAME} and {pyfunc.FLAVOR_NAME}. Received: {type(error).__name__}: {error}"
        ) from None


def read_model(model: LocalModel) -> tuple[Checkpoint, EncodingConfig]:
    """Read a model, and check all of it that changes a vector.

    Args:
        model: What `find_model` gave.

    Returns:
        The model with its tokenizer, and how texts become vectors.

    Raises:
        FormatError: The folder is no model that this code reads.
        DamagedFileError: A file is missing, or the model is not the one that was saved.
    """
    with _reading(model) as (checkpoint, encoding):
        return checkpoint, encoding


@contextmanager
def _reading(model: LocalModel) -> Iterator[tuple[Checkpoint, EncodingConfig]]:
    """Read a model, and check it beside what is done in the block, which ends once it is checked.

    Hashing releases the interpreter: the files and what they say are hashed side by side. What
    does not is done before, for beside an import it would wait at each of its steps.
    """
    try:
        encoding, digests = read_record(model.data)
        with ThreadPoolExecutor(max_workers=2) as pool:
            files = pool.submit(check_files, model.data, digests)
            try:
                checkpoint = read_checkpoint(model.data)
            except Exception:
                files.result()  # what is damaged is told as such
                raise
            content = pool.submit(_check_content, model, checkpoint, encoding)
            yield checkpoint, encoding
            files.result()
            content.result()
    except DamagedFileError:
        forget(model.folder)
        raise


def _check_content(model: LocalModel, checkpoint: Checkpoint, encoding: EncodingConfig) -> None:
    if model.digest is None:
        return
    settings = digested_settings(model.settings, reference=model.reference)
    found = content_digest(checkpoint, encoding, settings)
    if found != model.digest:
        raise DamagedFileError(
            "Expected the weights, tokenizer, configuration, encoding and settings that were "
            f"saved, of the digest {model.digest}; load the model again or register it anew. "
            f"Received: {found}"
        )


def open_encoder(
    model: LocalModel,
    *,
    verify: bool = False,
    shared: bool = False,
    **options: Unpack[LoadOptions],
) -> TextEncoder:
    """Open a model.

    Args:
        model: What `find_model` gave.
        verify: Whether to recompute the probe texts first.
        shared: Whether calls from several threads are to share products.
        **options: How it runs.

    Raises:
        FormatError: The folder is no model that this code reads.
        DamagedFileError: A file is missing, or the model is not the one that was saved.
        ProbeError: This machine does not compute the recorded vectors.
    """
    with _reading(model) as (checkpoint, encoding):
        # Importing torch takes as long as hashing does.
        from fnet_registry.encoding.shared import SharedEncoder, TextEncoder

    kind = SharedEncoder if shared else TextEncoder
    encoder = kind.from_checkpoint(checkpoint, encoding, **options)
    if verify:
        report = check_probe(encoder, read_probe(model.data))
        if not report.passed:
            raise ProbeError(
                "Expected the vectors that were saved; this machine computes other vectors. "
                f"Received: {report}"
            )
    return encoder
