"""A preset on a hub, made into the folder of an MLflow model."""

from __future__ import annotations

import shutil
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from mlflow.entities import FileInfo
from mlflow.models import Model

from fnet_mlflow.registry.local_copy import keep
from fnet_mlflow.saving.data_folder import DATA_FOLDER, link_data
from fnet_mlflow.saving.prepare import prepare_preset
from fnet_mlflow.saving.requirements import get_default_pip_requirements
from fnet_mlflow.saving.save import write_model
from fnet_registry import __version__
from fnet_registry.errors import HandleError
from fnet_registry.presets.fetch import fetch
from fnet_registry.presets.folder import PresetFolder, is_weights
from fnet_registry.presets.handle import parse_handle
from fnet_registry.presets.handles.hub import HubHandle
from fnet_registry.presets.hub.cache import CacheEntry

_MODEL_ENTRIES = (
    *("MLmodel", "conda.yaml", "data", "input_example.json", "python_env.yaml"),
    *("requirements.txt", "serving_input_example.json"),
)


def download(root: str, path: str, destination: str | None) -> Path:
    """Make a model's folder out of a preset; weights are fetched only if its data is asked for.

    Args:
        root: The URI that MLflow opened the repository with.
        path: What it asks for in it.
        destination: A folder to copy to; None for one that is kept, with links to the hub client's
            cache, which thus stays untouched, for MLflow writes into what it is given.

    Raises:
        HandleError: The two form no handle, or the root alone is an unpinned one, to which no
            registered version may refer.
        FNetError: The preset cannot be had or used.
    """
    handle, inner = split_uri(root, path)
    if not path:
        _check_pinned(handle)
    weights = inner.partition("/")[0] in ("", DATA_FOLDER)
    preset = fetch(handle, weights=weights)
    if destination is None:
        key = f"{preset.path} {weights} {__version__} {get_default_pip_requirements()}"
        return keep(key, lambda model: _write_model(model, preset, weights=weights)) / inner
    copied = Path(destination, inner)
    with TemporaryDirectory() as scratch:
        model = Path(scratch, "model")
        _write_model(model, preset, weights=weights)
        if (model / inner).is_dir():
            shutil.copytree(model / inner, copied, dirs_exist_ok=True)
        else:
            copied.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(model / inner, copied)
    return copied


def list_folder(root: str, path: str) -> list[FileInfo]:
    """List what lies directly in a folder of a model; no weights are fetched for it."""
    handle, inner = split_uri(root, path)
    preset = fetch(handle, weights=False)
    with TemporaryDirectory() as scratch:
        model = Path(scratch, "model")
        _write_model(model, preset, weights=False)
        for name in _weights_files(preset):
            (model / DATA_FOLDER / name).symlink_to(preset.path / name)
        folder = model / inner
        entries = sorted(folder.iterdir()) if folder.is_dir() else []
        return [
            FileInfo(
                str(PurePosixPath(path, entry.name)),
                entry.is_dir(),
                entry.stat().st_size if entry.is_file() else None,
            )
            for entry in entries
        ]


def split_uri(root: str, path: str) -> tuple[str, str]:
    """Join what MLflow split, and split it where the handle ends and the model begins.

    Returns:
        The handle, and a path in the model; empty for the model itself.
    """
    parts = f"{root.rstrip('/')}/{path}".rstrip("/").split("/")
    # scheme:, an empty part, owner, name: no part of the model comes before.
    inner = next((i for i in range(4, len(parts)) if parts[i] in _MODEL_ENTRIES), len(parts))
    return "/".join(parts[:inner]), "/".join(parts[inner:])


def _write_model(model: Path, preset: PresetFolder, *, weights: bool) -> None:
    unsaved = prepare_preset(preset, weights=weights)
    write_model(
        model,
        unsaved,
        lambda data: link_data(data, preset, unsaved.encoding),
        mlflow_model=Model(),
        reference=True,
        code_paths=[],
    )


def _check_pinned(handle: str) -> None:
    if not parse_handle(handle).pinned:
        pinned = fetch(handle, weights=False).handle
        raise HandleError(
            "A registered version must refer to one revision, or it would change without a new "
            f"version: register {pinned}, for example with 'fnet register --reference'. "
            f"Received: {handle}"
        )


def _weights_files(preset: PresetFolder) -> list[str]:
    """List a preset's files of weights, fetched or not."""
    assert isinstance(preset.handle, HubHandle)
    entry = CacheEntry(preset.handle)
    record = entry.record()
    return list(filter(is_weights, entry.present() if record is None else record.names))
