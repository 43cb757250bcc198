"""The model that `mlflow.pyfunc` calls."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fnet_mlflow.content.settings import load_settings
from fnet_mlflow.serving.inputs import RequestError, read_texts
from fnet_mlflow.serving.load import open_encoder, read_model_folder
from fnet_mlflow.serving.openai import EMBEDDINGS_TASK, listed
from fnet_mlflow.serving.scoring_server import refuse_unreadable_json
from fnet_registry.errors import ConfigError, TextError

if TYPE_CHECKING:
    from fnet_registry.encoding.encoder import TextEncoder


class EmbeddingModel:
    """Texts to vectors behind MLflow's `predict`.

    Args:
        encoder: The loaded encoder; a `SharedEncoder` where requests come from several threads.
        task: `llm/v1/embeddings` where answers are to have OpenAI's form.
    """

    def __init__(self, encoder: TextEncoder, task: str | None = None):
        self._encoder = encoder
        self._task = task

    def predict(self, data: Any, params: dict[str, Any] | None = None) -> Any:
        """Embed a request's texts.

        Args:
            data: What MLflow hands on; see `fnet_mlflow.serving.inputs`.
            params: `normalize`, `batch_size` and `long_text`; None leaves the model's own.

        Returns:
            Vectors, (n, dim) float32; for the task, the vectors as OpenAI lists them.

        Raises:
            RequestError: A row is no text, or too long under `long_text="error"`, or a parameter
                is impossible.
        """
        try:
            texts, chosen = read_texts(data), _chosen(params)
            if self._task != EMBEDDINGS_TASK:
                return self._encoder.encode(texts, **chosen)
            long_text = chosen.pop("long_text", "truncate")
            tokens = self._encoder.tokenize(texts, long_text=long_text)
            return listed(self._encoder.encode_tokens(tokens, **chosen).tolist(), tokens)
        except (TextError, ConfigError) as error:
            raise RequestError(str(error)) from None

    def get_raw_model(self) -> TextEncoder:
        """Return the encoder itself."""
        return self._encoder


def _load_pyfunc(path: str, model_config: Mapping[str, Any] | None = None) -> EmbeddingModel:
    """Return what `mlflow.pyfunc.load_model` calls; `path` is the model's data folder."""
    refuse_unreadable_json()
    model = read_model_folder(Path(path).parent, path)
    encoder = open_encoder(model, shared=True, **load_settings(model_config))
    return EmbeddingModel(encoder, model.task)


def _chosen(params: dict[str, Any] | None) -> dict[str, Any]:
    """Return parameters that a request sets, as plain values; MLflow casts them to numpy's."""
    return {
        name: value.item() if isinstance(value, np.generic) else value
        for name, value in (params or {}).items()
        if value is not None
    }
