"""What whitening does to a model that was trained to fill in masked words alone."""

import os
import random
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import fnet_evaluate
import fnet_mlflow
import fnet_tune
from fnet_evaluate.bootstrap import paired_difference
from fnet_registry import FNetBackbone, FNetTokenizer

TOPICS = [
    "river lake ocean boat water fish",
    "engine wheel road car driver motor",
    "bread cheese butter kitchen meal plate",
    "music song piano singer dance band",
    "winter snow ice cold wind storm",
    "school teacher book pupil lesson class",
    "garden flower tree leaf grass seed",
    "doctor nurse health patient pain clinic",
]
COMMON = ["the", "a", "and", "of", "to", "with", "in", "on", "this", "that", "is", "was"]
LENGTH = 24


def text(topic: int, draw: random.Random) -> str:
    words = TOPICS[topic].split()
    return " ".join(draw.choice(words if draw.random() < 0.7 else COMMON) for _ in range(10))


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    draw = random.Random(0)
    path = tmp_path_factory.mktemp("corpus") / "corpus.parquet"
    pq.write_table(pa.table({"text": [text(draw.randrange(8), draw) for _ in range(3000)]}), path)
    return path


@pytest.fixture(scope="module")
def scored_pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Half of them of one topic."""
    draw = random.Random(5)
    path = tmp_path_factory.mktemp("pairs") / "pairs.parquet"
    topics = [(draw.randrange(8), draw.randrange(8), draw.random() < 0.5) for _ in range(400)]
    topics = [(first, first if alike else second) for first, second, alike in topics]
    columns = {
        "text_a": [text(first, draw) for first, _ in topics],
        "text_b": [text(second, draw) for _, second in topics],
        "score": [float(first == second) for first, second in topics],
    }
    pq.write_table(pa.table(columns), path)
    return path


def pretrained(texts: list[str], tokenizer: FNetTokenizer) -> FNetBackbone:
    """Train a small backbone to fill in a quarter of the tokens."""
    os.environ.setdefault("KERAS_BACKEND", "torch")
    import keras

    keras.utils.set_random_seed(0)
    backbone = FNetBackbone(
        vocabulary_size=1000,
        num_layers=2,
        hidden_dim=64,
        intermediate_dim=128,
        max_sequence_length=LENGTH,
        dropout=0.0,
    )
    ids = np.full((len(texts), LENGTH), tokenizer.pad_token_id, "int32")
    for row, tokens in zip(ids, tokenizer.tokenize(texts), strict=True):
        packed = [tokenizer.cls_token_id, *tokens[: LENGTH - 2], tokenizer.sep_token_id]
        row[: len(packed)] = packed
    masked = (np.random.default_rng(0).random(ids.shape) < 0.25) & (ids > 6)
    hidden = keras.layers.Dense(64, activation="gelu")(backbone.output["sequence_output"])
    hidden = keras.layers.LayerNormalization()(hidden)
    model = keras.Model(backbone.input, backbone.token_embedding(hidden, reverse=True))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer=keras.optimizers.Adam(1e-3), loss=loss)
    inputs = {
        "token_ids": np.where(masked, tokenizer.mask_token_id, ids),
        "segment_ids": np.zeros_like(ids),
    }
    model.fit(inputs, ids, sample_weight=masked.astype("float32"), batch_size=64, verbose=0)
    return backbone


def test_it_tells_alike_from_unlike_better(
    corpus: Path, scored_pairs: Path, preset_folder: Path, registry: Path
) -> None:
    tokenizer = FNetTokenizer.from_preset(preset_folder)
    backbone = pretrained(pq.read_table(corpus)["text"].to_pylist(), tokenizer)
    backbone.save_to_preset("raw")
    tokenizer.save_to_preset("raw")
    fnet_mlflow.register_preset("raw", "fnet")
    fnet_tune.whiten("models:/fnet/1", corpus, name="fnet", dims=16)
    raw, white = fnet_evaluate.evaluate(["models:/fnet/1", "models:/fnet/2"], scored_pairs)
    difference = paired_difference(white.kind, white.items, raw.items)["spearman"]
    assert difference.low > 0, difference
