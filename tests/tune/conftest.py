"""Small examples that a small model learns from in seconds."""

import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sklearn.linear_model  # noqa: F401  (so that its libraries' threads are limited, too)
import torch
from threadpoolctl import threadpool_limits

import fnet_tune
from tests.flavor.conftest import empty_database, register, registry  # noqa: F401

WORDS = [
    *("river", "mountain", "cloud", "engine", "table", "paper", "window", "garden", "stone"),
    *("bread", "music", "light", "night", "winter", "summer", "forest", "ocean", "bridge"),
    *("street", "market", "green", "yellow", "silver", "golden", "quiet", "heavy", "narrow"),
]


QUICK = {"sequence_length": 16, "batch_size": 24, "epochs": 6, "learning_rate": 3e-3}


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """So that small products do not wait for a second core that other tests use."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    with threadpool_limits(1):
        yield
    torch.set_num_threads(before)


def pair(number: int) -> tuple[str, str]:
    draw = random.Random(number)
    words = draw.sample(WORDS, 4)
    return " ".join(words), " ".join(draw.sample(words, 4))


def taught(texts: list[str], width: int) -> np.ndarray:
    """The mean of vectors of a text's words."""
    words = np.random.default_rng(0).normal(size=(len(WORDS), width))
    return np.array([words[[WORDS.index(w) for w in text.split()]].mean(0) for text in texts])


@pytest.fixture(scope="session")
def pairs_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pairs of the same words in another order."""
    path = tmp_path_factory.mktemp("examples") / "pairs.parquet"
    anchors, positives = zip(*(pair(number) for number in range(240)), strict=True)
    pq.write_table(pa.table({"anchor": anchors, "positive": positives}), path)
    return path


@pytest.fixture(scope="session")
def labels_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Texts of four labels, each with words of its own."""
    path = tmp_path_factory.mktemp("examples") / "labels.jsonl"
    draw = random.Random(0)
    texts = [
        {"text": " ".join(draw.choices(WORDS[4 * label :][:5], k=6)), "label": label}
        for label in range(4)
        for _ in range(60)
    ]
    path.write_text("".join(json.dumps(text) + "\n" for text in texts))
    return path


@pytest.fixture(scope="session")
def scored_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pairs, of which some are about the same."""
    path = tmp_path_factory.mktemp("examples") / "scored.csv"
    draw = random.Random(0)
    lines = ["text_a,text_b,score"]
    for _ in range(240):
        first, second = draw.choice([(0, 0), (6, 6), (0, 6)])
        texts = (" ".join(draw.choices(WORDS[start:][:6], k=5)) for start in (first, second))
        lines.append(f"{','.join(texts)},{5.0 if first == second else 1.5}")
    path.write_text("\n".join(lines))
    return path


@pytest.fixture(scope="session")
def taught_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Texts with a teacher's vectors, which are wider than the tiny preset's."""
    path = tmp_path_factory.mktemp("examples") / "taught.parquet"
    texts = [pair(number)[0] for number in range(240)]
    vectors = pa.array(list(taught(texts, 40)), pa.list_(pa.float32(), 40))
    pq.write_table(pa.table({"text": texts, "embedding": vectors}), path)
    return path


@pytest.fixture
def tune(registry: Path, preset_folder: Path) -> Callable[..., fnet_tune.Tuning]:  # noqa: F811
    """Tunes the tiny preset for a few steps."""

    def tune(data: Any, **options: Any) -> fnet_tune.Tuning:
        return fnet_tune.tune(preset_folder, data, **{"name": "fnet", **QUICK, **options})

    return tune
