"""Saving and logging an FNet encoder as an MLflow model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

from mlflow import pyfunc
from mlflow.artifacts import download_artifacts
from mlflow.models import Model, ModelSignature
from mlflow.models.model import MLMODEL_FILE_NAME, ModelInfo

import fnet_mlflow
from fnet_mlflow.content.probe import record_probe
from fnet_mlflow.content.settings import load_settings
from fnet_mlflow.content.version import FORMAT_VERSION
from fnet_mlflow.saving.description import describe, version_tags
from fnet_mlflow.saving.requirements import settle_requirements
from fnet_mlflow.saving.shipping import ship_code
from fnet_mlflow.saving.signature import checked_signature
from fnet_mlflow.saving.source import Source, resolve_source
from fnet_mlflow.saving.storage import (
    DATA_FOLDER,
    DIGEST_KEY,
    FLAVOR_NAME,
    REFERENCE_KEY,
    write_data,
)
from fnet_registry import __version__

INPUT_EXAMPLE = ["FNet mixes tokens with a Fourier transform."]


def save_model(
    model: Any,
    path: str | Path,
    *,
    tokenizer: Any = None,
    sequence_length: int | None = None,
    buckets: Sequence[int] | None = None,
    pooling: str | None = None,
    normalize: bool | None = None,
    quantization: str | None = None,
    code_paths: Sequence[str] | None = None,
    mlflow_model: Model | None = None,
    signature: ModelSignature | Literal[False] | None = None,
    input_example: Any = None,
    pip_requirements: Sequence[str] | str | Path | None = None,
    extra_pip_requirements: Sequence[str] | str | Path | None = None,
    conda_env: Mapping[str, Any] | str | Path | None = None,
    metadata: Mapping[str, Any] | None = None,
    model_config: Mapping[str, Any] | None = None,
    extra_files: Sequence[str] | None = None,
) -> None:
    """Save an encoder as an MLflow model in a local folder.

    Args:
        model: A `TextEncoder`, a preset handle such as `"f_net_base_en"` or `"./my_preset"`, or
            an `FNetBackbone`.
        path: The folder; it must be empty or not exist.
        tokenizer: The `FNetTokenizer` of a backbone.
        sequence_length: Pad length in tokens, for a handle or backbone; by default the model's
            maximum.
        buckets: Lengths to pad to instead, rising to `sequence_length`, for a handle or backbone.
        pooling: `"mean"` (default), `"cls"` or `"pooled"`, for a handle or backbone.
        normalize: Whether vectors have length 1 unless a request says otherwise, for a handle or
            backbone.
        quantization: `"int8"` runs the dense layers with int8 weights on a CPU; for a handle or
            backbone.
        code_paths: Files and folders to ship with the model, beside this project's own packages,
            for which a wheel of this project may stand; `[]` ships nothing and requires an
            installed `fnet-registry`.
        mlflow_model: The `mlflow.models.Model` to add the flavor to.
        signature: Replaces the flavor's own; False stores none, and MLflow then hands on any input
            as it is and no parameters.
        input_example: Texts that show how to call the model.
        pip_requirements: Replaces the default requirements: a list, or the path of a file.
        extra_pip_requirements: Adds to the default requirements: a list, or the path of a file.
        conda_env: A conda environment, or the path of one; excludes both of the above.
        metadata: Adds to the metadata that the flavor writes.
        model_config: Load-time settings to save: `device`, `dtype`, `batch_size`, `num_threads`,
            `verify`.
        extra_files: URIs or paths of files to keep beside the model.

    Raises:
        HandleError: The handle cannot be read.
        PresetError: It leads to no usable FNet preset.
        FetchError: The hub did not deliver.
        MlflowException: The folder is not empty, or MLflow rejects an argument.
    """
    source = resolve_source(
        model,
        tokenizer=tokenizer,
        sequence_length=sequence_length,
        buckets=buckets,
        pooling=pooling,
        normalize=normalize,
        quantization=quantization,
    )
    probe = record_probe(source.reference())
    write_model(
        Path(path),
        source,
        lambda data: write_data(data, source.checkpoint, source.encoding, probe),
        code_paths=code_paths,
        mlflow_model=mlflow_model or Model(),
        signature=signature,
        input_example=input_example,
        pip_requirements=pip_requirements,
        extra_pip_requirements=extra_pip_requirements,
        conda_env=conda_env,
        metadata=metadata,
        model_config=model_config,
        extra_files=extra_files,
    )


def log_model(
    model: Any,
    name: str | None = None,
    *,
    tokenizer: Any = None,
    sequence_length: int | None = None,
    buckets: Sequence[int] | None = None,
    pooling: str | None = None,
    normalize: bool | None = None,
    quantization: str | None = None,
    registered_model_name: str | None = None,
    await_registration_for: int = 300,
    params: Mapping[str, Any] | None = None,
    tags: Mapping[str, Any] | None = None,
    model_type: str | None = None,
    step: int = 0,
    model_id: str | None = None,
    code_paths: Sequence[str] | None = None,
    signature: ModelSignature | Literal[False] | None = None,
    input_example: Any = None,
    pip_requirements: Sequence[str] | str | Path | None = None,
    extra_pip_requirements: Sequence[str] | str | Path | None = None,
    conda_env: Mapping[str, Any] | str | Path | None = None,
    metadata: Mapping[str, Any] | None = None,
    model_config: Mapping[str, Any] | None = None,
    extra_files: Sequence[str] | None = None,
) -> ModelInfo:
    """Log an encoder as an MLflow model, to the active run where there is one.

    `fnet_mlflow.register_preset` does the same once for each content, with its origin in tags.

    Args:
        model: As in `save_model`, like every argument that is not listed here.
        name: The logged model's name.
        tokenizer: See above.
        sequence_length: See above.
        buckets: See above.
        pooling: See above.
        normalize: See above.
        quantization: See above.
        registered_model_name: Registers the model under this name too.
        await_registration_for: Seconds to wait until the version is ready.
        params: Parameters of the logged model, beside its encoding.
        tags: Tags of the logged model and of its version, beside what they say of themselves.
        model_type: The logged model's type.
        step: The training step that it belongs to.
        model_id: The logged model to log to, where one was initialised.
        code_paths: See above.
        signature: See above.
        input_example: See above.
        pip_requirements: See above.
        extra_pip_requirements: See above.
        conda_env: See above.
        metadata: See above.
        model_config: See above.
        extra_files: See above.

    Returns:
        What MLflow knows of the logged model, with its `model_uri`.

    Raises:
        FNetError: As in `save_model`.
        MlflowException: MLflow rejects an argument, or the store does not take the model.
    """
    source = resolve_source(
        model,
        tokenizer=tokenizer,
        sequence_length=sequence_length,
        buckets=buckets,
        pooling=pooling,
        normalize=normalize,
        quantization=quantization,
    )
    return Model.log(
        artifact_path=None,
        name=name,
        flavor=fnet_mlflow,
        model=source,
        registered_model_name=registered_model_name,
        await_registration_for=await_registration_for,
        params={**source.encoding.to_dict(), **(params or {})},
        tags={**version_tags(source, load_settings(model_config)), **(tags or {})},
        model_type=model_type,
        step=step,
        model_id=model_id,
        code_paths=code_paths,
        signature=signature,
        input_example=input_example,
        pip_requirements=pip_requirements,
        extra_pip_requirements=extra_pip_requirements,
        conda_env=conda_env,
        metadata=metadata,
        model_config=model_config,
        extra_files=extra_files,
    )


def write_model(
    path: Path,
    source: Source,
    write_files: Callable[[Path], None],
    *,
    code_paths: Sequence[str] | None,
    mlflow_model: Model,
    signature: ModelSignature | Literal[False] | None = None,
    input_example: Any = None,
    pip_requirements: Sequence[str] | str | Path | None = None,
    extra_pip_requirements: Sequence[str] | str | Path | None = None,
    conda_env: Mapping[str, Any] | str | Path | None = None,
    metadata: Mapping[str, Any] | None = None,
    model_config: Mapping[str, Any] | None = None,
    extra_files: Sequence[str] | None = None,
    reference: bool = False,
) -> None:
    """Write the folder of an MLflow model around a data folder.

    Args:
        path: The folder; it must be empty or not exist.
        source: What is saved, for the model to describe.
        write_files: Writes the data folder, straight to where it belongs.
        code_paths: As in `save_model`, like all that follow.
        mlflow_model: See above.
        signature: See above.
        input_example: See above.
        pip_requirements: See above.
        extra_pip_requirements: See above.
        conda_env: See above.
        metadata: See above.
        model_config: See above.
        extra_files: See above.
        reference: Whether the data folder leads to a hub's preset.
    """
    mlflow_model.signature = checked_signature(signature)
    mlflow_model.metadata = {
        **describe(source),
        **(mlflow_model.metadata or {}),
        **(metadata or {}),
    }
    settings = load_settings(model_config)
    mlflow_model.add_flavor(
        FLAVOR_NAME,
        data=DATA_FOLDER,
        format_version=FORMAT_VERSION,
        code_version=__version__,
        **{
            DIGEST_KEY: source.digest(settings, reference=reference)
            if source.checkpoint.arrays
            else None,
            REFERENCE_KEY: reference,
        },
    )
    with TemporaryDirectory() as scratch:
        code = ship_code(code_paths, Path(scratch))
        pyfunc.save_model(
            path,
            loader_module=code.loader_module,
            code_paths=code.paths,
            mlflow_model=mlflow_model,
            input_example=INPUT_EXAMPLE if input_example is None else input_example,
            conda_env=str(conda_env) if isinstance(conda_env, Path) else conda_env,
            pip_requirements=settle_requirements(
                pip_requirements, extra_pip_requirements, conda_env, code.requirements
            ),
            model_config=settings,
            # A folder with no uv project keeps MLflow from taking the working directory's.
            uv_project_path=scratch,
        )
    # Not through `data_path`: MLflow would copy the weights once more, and to data/<name>.
    write_files(path / DATA_FOLDER)
    served = mlflow_model.flavors[pyfunc.FLAVOR_NAME]
    served[pyfunc.DATA] = DATA_FOLDER
    # Where MLflow's own flavors say it too, for a native load.
    mlflow_model.flavors[FLAVOR_NAME][pyfunc.CODE] = served.get(pyfunc.CODE)
    mlflow_model.flavors[FLAVOR_NAME] |= _save_extra_files(extra_files, path)
    mlflow_model.model_size_bytes = sum(
        file.stat().st_size for file in path.rglob("*") if file.is_file()
    )
    mlflow_model.save(path / MLMODEL_FILE_NAME)


def _save_extra_files(extra_files: Sequence[str] | None, path: Path) -> dict[str, Any]:
    """Keep files beside a model, in the place and under the key that MLflow's flavors use."""
    if isinstance(extra_files, str | Path):
        raise TypeError(
            f"`extra_files` must be a list, for example ['notes.txt']. Received: {extra_files!r}"
        )
    if not extra_files:
        return {}
    folder = path / "extra_files"
    folder.mkdir()
    for file in extra_files:
        download_artifacts(artifact_uri=str(file), dst_path=str(folder))
    names = [Path(str(file)).name for file in extra_files]
    return {"extra_files": [{"path": f"{folder.name}/{name}"} for name in names]}
