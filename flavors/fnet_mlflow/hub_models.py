"""A preset on a hub, made into the folder of an MLflow model."""

import shutil
import tempfile
from pathlib import Path, PurePosixPath

from mlflow.entities import FileInfo
from mlflow.models import Model

from fnet_mlflow.saving import write_model
from fnet_mlflow.source import resolve_folder
from fnet_mlflow.storage import link_data
from fnet_registry.errors import HandleError
from fnet_registry.presets.fetch import fetch
from fnet_registry.presets.handle import parse_handle

_MODEL_ENTRIES = {
    "MLmodel",
    "conda.yaml",
    "data",
    "input_example.json",
    "python_env.yaml",
    "requirements.txt",
    "serving_input_example.json",
}


def download(root: str, path: str, destination: str | None) -> Path:
    """Makes a model's folder out of a preset.

    Args:
        root: The URI that MLflow opened the repository with.
        path: What it asks for in it.
        destination: A folder to copy to; None for a new one with links to the hub client's cache,
            which thus stays untouched, for MLflow writes into what it is given.

    Raises:
        HandleError: The two make no handle; or the root alone is one and is not pinned, as a
            version of the registry must be.
        FNetError: The preset cannot be had or used.
    """
    handle, inner = split_uri(root, path)
    if not path:
        _check_pinned(handle)
    model = _make_model(handle)
    if destination is None:
        return model / inner
    copied = Path(destination, inner)
    if (model / inner).is_dir():
        shutil.copytree(model / inner, copied, dirs_exist_ok=True)
    else:
        copied.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(model / inner, copied)
    return copied


def list_folder(root: str, path: str) -> list[FileInfo]:
    """Lists what lies directly in a folder of a model."""
    handle, inner = split_uri(root, path)
    folder = _make_model(handle) / inner
    if not folder.is_dir():
        return []
    return [
        FileInfo(
            str(PurePosixPath(path, entry.name)),
            entry.is_dir(),
            None if entry.is_dir() else entry.stat().st_size,
        )
        for entry in sorted(folder.iterdir())
    ]


def split_uri(root: str, path: str) -> tuple[str, str]:
    """Joins what MLflow split and splits it where the handle ends and the model begins.

    Returns:
        The handle, and a path in the model; empty for the model itself.
    """
    parts = f"{root.rstrip('/')}/{path}".rstrip("/").split("/")
    # scheme:, an empty part, owner, name: no part of the model comes before.
    inner = next((i for i in range(4, len(parts)) if parts[i] in _MODEL_ENTRIES), len(parts))
    return "/".join(parts[:inner]), "/".join(parts[inner:])


def _make_model(handle: str) -> Path:
    preset = fetch(handle)
    source = resolve_folder(preset)
    model = Path(tempfile.mkdtemp(prefix="fnet-hub-model-"))
    write_model(
        model,
        source,
        lambda data: link_data(data, preset, source.encoding),
        code_paths=[],
        mlflow_model=Model(),
        reference=True,
    )
    return model


def _check_pinned(handle: str) -> None:
    if not parse_handle(handle).pinned:
        pinned = fetch(handle, weights=False).handle
        raise HandleError(
            "A registered version must refer to one revision, or it would change without a new "
            f"version: register {pinned}, for example with 'fnet register --reference'. "
            f"Received: {handle}"
        )
