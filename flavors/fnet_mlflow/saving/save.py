"""Saving and logging an FNet encoder as an MLflow model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, TypedDict, Unpack

from mlflow import pyfunc
from mlflow.artifacts import download_artifacts
from mlflow.models import Model, ModelSignature
from mlflow.models.model import MLMODEL_FILE_NAME, ModelInfo

import fnet_mlflow
from fnet_mlflow.content.settings import load_settings
from fnet_mlflow.content.version import needed_format
from fnet_mlflow.saving.data_folder import DATA_FOLDER, write_data
from fnet_mlflow.saving.description import (
    DIGEST_KEY,
    FLAVOR_NAME,
    REFERENCE_KEY,
    TASK_KEY,
    check_owner,
    describe,
    version_tags,
)
from fnet_mlflow.saving.prepare import UnsavedModel, prepare_model
from fnet_mlflow.saving.requirements import settle_requirements
from fnet_mlflow.saving.shipping import ship_code
from fnet_mlflow.saving.signature import checked_signature
from fnet_registry import __version__
from fnet_registry.encoding.config import EncodingOptions, split_options
from fnet_registry.shown import shown

INPUT_EXAMPLE = ["FNet mixes tokens with a Fourier transform."]


class ModelOptions(TypedDict, total=False):
    """What MLflow's flavors take beside the model; an option left out, or None, has its default.

    Args:
        code_paths: Files and folders to ship with the model, beside this project's own packages;
            a wheel of this project in the list replaces those. `[]` ships nothing and requires an
            installed `fnet-registry`.
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
        task: `llm/v1/embeddings` answers in OpenAI's form, and takes the texts as `input`.
    """

    code_paths: Sequence[str] | None
    signature: ModelSignature | Literal[False] | None
    input_example: Any
    pip_requirements: Sequence[str] | str | Path | None
    extra_pip_requirements: Sequence[str] | str | Path | None
    conda_env: Mapping[str, Any] | str | Path | None
    metadata: Mapping[str, Any] | None
    model_config: Mapping[str, Any] | None
    extra_files: Sequence[str] | None
    task: Literal["llm/v1/embeddings"] | None


class SaveOptions(EncodingOptions, ModelOptions, total=False):
    """All options of a model that is saved."""


def save_model(
    model: Any,
    path: str | Path,
    *,
    tokenizer: Any = None,
    mlflow_model: Model | None = None,
    **options: Unpack[SaveOptions],
) -> None:
    """Save an encoder as an MLflow model in a local folder.

    Args:
        model: A `TextEncoder`, a preset handle such as `"f_net_base_en"` or `"./my_preset"`, or
            an `FNetBackbone`.
        path: The folder; it must be empty or not exist.
        tokenizer: The `FNetTokenizer` of a backbone.
        mlflow_model: The `mlflow.models.Model` to add the flavor to.
        **options: `EncodingOptions`, for a handle or a backbone, such as `pooling="cls"`; and
            `ModelOptions`, such as `pip_requirements`.

    Raises:
        HandleError: The handle cannot be read.
        PresetError: It leads to no usable FNet preset.
        FetchError: The hub did not deliver.
        MlflowException: The folder is not empty, or MLflow rejects an argument.
        TypeError: There is no such option.
    """
    encoding, chosen = split_options(options, EncodingOptions, ModelOptions)
    unsaved = prepare_model(model, tokenizer=tokenizer, **encoding)
    probe = unsaved.probe()
    write_model(
        Path(path),
        unsaved,
        lambda data: write_data(data, unsaved.checkpoint, unsaved.encoding, probe),
        mlflow_model=mlflow_model or Model(),
        **chosen,
    )


def log_model(
    model: Any,
    name: str | None = None,
    *,
    tokenizer: Any = None,
    registered_model_name: str | None = None,
    await_registration_for: int = 300,
    params: Mapping[str, Any] | None = None,
    tags: Mapping[str, Any] | None = None,
    model_type: str | None = None,
    step: int = 0,
    model_id: str | None = None,
    **options: Unpack[SaveOptions],
) -> ModelInfo:
    """Log an encoder as an MLflow model, to the active run where there is one.

    `fnet_mlflow.register_preset` does the same once for each content, with its origin in tags.

    Args:
        model: As in `save_model`.
        name: The logged model's name.
        tokenizer: As in `save_model`.
        registered_model_name: Registers the model under this name too.
        await_registration_for: Seconds to wait until the version is ready.
        params: Parameters of the logged model, beside its encoding.
        tags: Tags of the logged model and of its version, beside what they say of themselves.
        model_type: The logged model's type.
        step: The training step that it belongs to.
        model_id: The logged model to log to, where one was initialised.
        **options: As in `save_model`.

    Returns:
        What MLflow knows of the logged model, with its `model_uri`.

    Raises:
        FNetError: As in `save_model`.
        MlflowException: MLflow rejects an argument, or the store does not take the model.
        TypeError: There is no such option.
    """
    encoding, chosen = split_options(options, EncodingOptions, ModelOptions)
    check_owner(tags or {})
    unsaved = prepare_model(model, tokenizer=tokenizer, **encoding)
    own_tags = version_tags(unsaved, load_settings(chosen.get("model_config")))
    return Model.log(
        artifact_path=None,
        name=name,
        flavor=fnet_mlflow,
        model=unsaved,
        registered_model_name=registered_model_name,
        await_registration_for=await_registration_for,
        params={**unsaved.encoding.to_dict(), **(params or {})},
        tags={**own_tags, **(tags or {})},
        model_type=model_type,
        step=step,
        model_id=model_id,
        **chosen,
    )


def write_model(
    path: Path,
    model: UnsavedModel,
    write_files: Callable[[Path], None],
    *,
    mlflow_model: Model,
    reference: bool = False,
    **options: Unpack[ModelOptions],
) -> None:
    """Write the folder of an MLflow model around a data folder.

    Args:
        path: The folder; it must be empty or not exist.
        model: What is saved, to be described.
        write_files: Writes the data folder, straight to where it belongs.
        mlflow_model: The `mlflow.models.Model` to add the flavor to.
        reference: Whether the data folder links to a hub's preset.
        **options: As in `save_model`.
    """
    settings = load_settings(options.get("model_config"))
    conda_env, example = options.get("conda_env"), options.get("input_example")
    task = options.get("task")
    answers = {TASK_KEY: task} if task else {}
    mlflow_model.signature = checked_signature(options.get("signature"), task)
    mlflow_model.metadata = {
        **describe(model),
        **answers,
        **(mlflow_model.metadata or {}),
        **(options.get("metadata") or {}),
    }
    has_weights = bool(model.checkpoint.arrays)
    digest = model.digest(settings, reference=reference) if has_weights else None
    mlflow_model.add_flavor(
        FLAVOR_NAME,
        data=DATA_FOLDER,
        format_version=needed_format(model.checkpoint),
        code_version=__version__,
        **{DIGEST_KEY: digest, REFERENCE_KEY: reference, **answers},
    )
    with TemporaryDirectory() as scratch:
        loader_module, code_paths, own = ship_code(options.get("code_paths"), Path(scratch))
        pyfunc.save_model(
            path,
            loader_module=loader_module,
            code_paths=code_paths,
            mlflow_model=mlflow_model,
            input_example=_example(task) if example is None else example,
            conda_env=str(conda_env) if isinstance(conda_env, Path) else conda_env,
            pip_requirements=settle_requirements(
                options.get("pip_requirements"),
                options.get("extra_pip_requirements"),
                conda_env,
                own,
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
    mlflow_model.flavors[FLAVOR_NAME] |= _save_extra_files(options.get("extra_files"), path)
    mlflow_model.model_size_bytes = sum(
        file.stat().st_size for file in path.rglob("*") if file.is_file()
    )
    mlflow_model.save(path / MLMODEL_FILE_NAME)


def _example(task: str | None) -> Any:
    return INPUT_EXAMPLE if task is None else {"input": INPUT_EXAMPLE}


def _save_extra_files(extra_files: Sequence[str] | None, path: Path) -> dict[str, Any]:
    """Keep files beside a model, in the place and under the key that MLflow's flavors use."""
    if isinstance(extra_files, str | Path):
        raise TypeError(
            "`extra_files` must be a list, for example ['notes.txt']. "
            f"Received: {shown(str(extra_files))}"
        )
    if not extra_files:
        return {}
    folder = path / "extra_files"
    folder.mkdir()
    for file in extra_files:
        download_artifacts(artifact_uri=str(file), dst_path=str(folder))
    names = [Path(str(file)).name for file in extra_files]
    return {"extra_files": [{"path": f"{folder.name}/{name}"} for name in names]}
