"""The ways to turn texts into vectors that are compared: mean pooling at one pad length."""

import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

BATCH = 32
Encode = Callable[[dict[str, Any]], np.ndarray]
"""From `{"texts": […], "length": 128}` to float32 vectors of shape `(texts, hidden)`."""


def fnet_registry(folder: Path, **encoding: Any) -> Encode:
    from fnet_registry import TextEncoder

    @cache
    def encoder(length: int) -> TextEncoder:
        extra = dict(encoding)
        if "buckets" in extra:
            extra["buckets"] = [*(b for b in extra["buckets"] if b < length), length]
        return TextEncoder.from_preset(folder / "kerashub", sequence_length=length, **extra)

    return lambda given: encoder(given["length"]).encode(given["texts"])


def kerashub(folder: Path, *, backend: str) -> Encode:
    os.environ["KERAS_BACKEND"] = backend
    import keras
    import keras_hub

    model = keras_hub.models.FNetBackbone.from_preset(str(folder / "kerashub"))
    pad = keras_hub.models.FNetTokenizer.from_preset(str(folder / "kerashub")).pad_token_id

    @cache
    def preprocessor(length: int) -> Any:
        return keras_hub.models.FNetTextClassifierPreprocessor.from_preset(
            str(folder / "kerashub"), sequence_length=length
        )

    def call(given: dict[str, Any]) -> np.ndarray:
        preprocess = preprocessor(given["length"])
        vectors = []
        for texts in batches(given["texts"]):
            inputs = {k: keras.ops.convert_to_numpy(v) for k, v in preprocess(texts).items()}
            if backend == "torch":
                import torch

                with torch.inference_mode():
                    sequences = model(inputs)["sequence_output"].numpy()
            else:
                sequences = np.asarray(model.predict_on_batch(inputs)["sequence_output"])
            vectors.append(masked_mean(sequences, inputs["token_ids"] != pad))
        return np.concatenate(vectors)

    return call


def transformers(folder: Path) -> Encode:
    import torch
    from transformers import FNetModel, FNetTokenizer

    model = FNetModel.from_pretrained(folder / "transformers").eval()
    tokenizer = FNetTokenizer.from_pretrained(folder / "transformers")
    cls, sep = tokenizer.convert_tokens_to_ids(["[CLS]", "[SEP]"])

    def call(given: dict[str, Any]) -> np.ndarray:
        vectors = []
        for texts in batches(given["texts"]):
            ids = np.full((len(texts), given["length"]), tokenizer.pad_token_id)
            cut = tokenizer(
                texts, add_special_tokens=False, truncation=True, max_length=given["length"] - 2
            )
            for row, tokens in zip(ids, cut["input_ids"], strict=True):
                row[: len(tokens) + 2] = [cls, *tokens, sep]
            with torch.inference_mode():
                sequences = model(torch.from_numpy(ids)).last_hidden_state.numpy()
            vectors.append(masked_mean(sequences, ids != tokenizer.pad_token_id))
        return np.concatenate(vectors)

    return call


def sentence_transformers(folder: Path) -> Encode:
    """Pads each batch to its longest text, so it does less work, and another function."""
    from sentence_transformers import SentenceTransformer, models

    transformer = models.Transformer(str(folder / "transformers"))
    encoder = SentenceTransformer(modules=[transformer, models.Pooling(768)])

    def call(given: dict[str, Any]) -> np.ndarray:
        encoder.max_seq_length = given["length"]
        return encoder.encode(given["texts"], batch_size=BATCH, show_progress_bar=False)

    return call


def batches(texts: list[str]) -> list[list[str]]:
    return [texts[start : start + BATCH] for start in range(0, len(texts), BATCH)]


def masked_mean(sequences: np.ndarray, mask: np.ndarray) -> np.ndarray:
    return (sequences * mask[..., None]).sum(axis=1) / mask.sum(axis=1, keepdims=True)


CONTENDERS: dict[str, Callable[[Path], Encode]] = {
    "fnet-registry": fnet_registry,
    "KerasHub on JAX": lambda folder: kerashub(folder, backend="jax"),
    "KerasHub on TensorFlow": lambda folder: kerashub(folder, backend="tensorflow"),
    "KerasHub on torch": lambda folder: kerashub(folder, backend="torch"),
    "Transformers": transformers,
    "sentence-transformers (pads to the longest of a batch)": sentence_transformers,
    "fnet-registry, int8": lambda folder: fnet_registry(folder, quantization="int8"),
    "fnet-registry, buckets": lambda folder: fnet_registry(folder, buckets=[32, 64, 128, 256]),
}
