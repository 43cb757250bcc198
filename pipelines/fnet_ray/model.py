"""The model: resolved and pinned once on the driver, then shared by all workers of a node."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fnet_registry.encoding.config import EncodingConfig
from fnet_registry.encoding.stored import preset_encoding
from fnet_registry.errors import InputError
from fnet_registry.presets.checkpoint import Checkpoint, read_checkpoint
from fnet_registry.presets.fetch import fetch
from fnet_registry.presets.handle import LocalHandle

if TYPE_CHECKING:
    from fnet_registry.encoding.encoder import TextEncoder


@dataclass(frozen=True, slots=True, kw_only=True)
class PinnedModel:
    """A model that can no longer change under the job.

    Args:
        uri: Where it came from, with its version: `models:/fnet/3`, a folder, a pinned preset
            handle.
        digest: SHA-256 of weights, tokenizer, configuration and encoding.
        checkpoint: Configuration, weights and tokenizer.
        encoding: How texts become vectors.
        compute_dtype: The dtype it computes in, unless the job asks for another.
    """

    uri: str
    digest: str
    checkpoint: Checkpoint
    encoding: EncodingConfig
    compute_dtype: str


def resolve_model(model: str | os.PathLike[str]) -> PinnedModel:
    """Find a model, pin its version and read it.

    Args:
        model: `models:/name/version`, `models:/name@alias`, `runs:/…`, a model folder or any
            preset handle. A preset that carries no encoding is encoded at its full length with
            mean pooling.

    Raises:
        FNetError: No such model, or not one that can be used.
        mlflow.MlflowException: The registry knows no such model or version.
    """
    from fnet_mlflow.content.digest import content_digest

    uri = os.fspath(model)
    is_folder = (Path(uri) / "MLmodel").is_file()
    if is_folder:
        uri = str(Path(uri).absolute())  # what an output records is looked up from anywhere
    if is_folder or uri.startswith(("models:/", "runs:/")):
        from fnet_mlflow.registry.lookup import pin
        from fnet_mlflow.registry.uri import ModelUri

        uri = str(pin(ModelUri.parse(uri)))
        checkpoint, encoding, dtype = _read_saved(uri)
    else:
        preset = fetch(uri)
        uri, checkpoint = str(preset.handle), read_checkpoint(preset.path)
        if isinstance(preset.handle, LocalHandle):  # whose files may be rewritten meanwhile
            copies = {name: np.array(values) for name, values in checkpoint.arrays.items()}
            checkpoint = replace(checkpoint, arrays=copies)
        encoding = preset_encoding(preset.path, checkpoint.config.max_sequence_length)
        dtype = "float32"
    return PinnedModel(
        uri=uri,
        digest=content_digest(checkpoint, encoding, {}),
        checkpoint=checkpoint,
        encoding=encoding,
        compute_dtype=dtype,
    )


def _read_saved(uri: str) -> tuple[Checkpoint, EncodingConfig, str]:
    """Return a saved model's checkpoint, encoding and compute dtype, checked as it asks to be."""
    from fnet_mlflow.serving.load import find_model, open_encoder, read_model

    model = find_model(uri)
    dtype = model.settings.get("dtype") or "float32"
    if model.settings.get("verify"):
        encoder = open_encoder(model, verify=True, device="cpu", dtype=dtype)
        return encoder.checkpoint, encoder.config, dtype
    return *read_model(model), dtype


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedModel:
    """What a worker builds its encoder from. Small on Ray: the weights stay in its object store.

    Args:
        checkpoint: The checkpoint without its arrays.
        tokenizer_proto: Its serialised SentencePiece model.
        encoding: How texts become vectors.
        compute_dtype: The dtype to compute in.
        weights: The named arrays; on Ray their `ray.ObjectRef`, which every worker of a node maps
            read-only.
    """

    checkpoint: Checkpoint
    tokenizer_proto: bytes
    encoding: EncodingConfig
    compute_dtype: str
    weights: Any

    def encoder(self, *, num_threads: int | None) -> TextEncoder:
        """Build the encoder on the shared arrays, on a GPU where Ray gave the worker one.

        Args:
            num_threads: CPU threads for this process.
        """
        from fnet_registry.encoding.encoder import TextEncoder

        arrays, device = self.weights, "cpu"
        if not isinstance(arrays, dict):
            import ray

            arrays, device = ray.get(arrays), "cuda" if ray.get_gpu_ids() else "cpu"
        return TextEncoder.from_checkpoint(
            replace(self.checkpoint, arrays=arrays),
            self.encoding,
            device=device,
            dtype=self.compute_dtype,  # pyright: ignore[reportArgumentType]
            num_threads=num_threads,
        )


def share_model(
    model: PinnedModel, *, dtype: str | None = None, on_ray: bool = True
) -> SharedModel:
    """Make of a model what workers build their encoders from.

    Args:
        model: The model.
        dtype: Compute dtype, by default the model's own choice.
        on_ray: Whether to put the weights into Ray's object store, once for all workers.
    """
    from fnet_registry.engine.layout import laid_out_for_engine

    checkpoint = model.checkpoint
    if checkpoint.tokenizer_proto is None:
        raise InputError(f"The model must have a tokenizer. Received none in: {model.uri}")
    # Laid out here once, so that no worker needs a copy of its own.
    laid_out = laid_out_for_engine(checkpoint).arrays
    arrays: Any = {name: np.asarray(array) for name, array in laid_out.items()}
    if on_ray:
        import ray

        arrays = ray.put(arrays)
    return SharedModel(
        checkpoint=replace(checkpoint, arrays={}),
        tokenizer_proto=checkpoint.tokenizer_proto,
        encoding=model.encoding,
        compute_dtype=dtype or model.compute_dtype,
        weights=arrays,
    )
