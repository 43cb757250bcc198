"""The same text gives the same vector whatever its shard, batch, order or neighbours."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

import fnet_ray
from fnet_registry import TextEncoder
from tests.job.corpora import write_parquet

pytestmark = pytest.mark.usefixtures("ray_session")

TEXTS = [f"text {i} " * (i % 9) for i in range(150)]


@pytest.mark.parametrize(
    ("order", "options"),
    [
        (1, {}),
        (-1, {}),
        (1, {"workers": fnet_ray.WorkerRequest(workers=(2, 2), cpus_per_worker=1.0)}),
    ],
    ids=["one worker", "backwards", "two workers"],
)
def test_vectors_are_bit_equal(
    order: int, options: dict, tmp_path: Path, preset_folder: Path, encoder: TextEncoder
) -> None:
    corpus = write_parquet(tmp_path / "corpus.parquet", TEXTS[::order])
    fnet_ray.embed(preset_folder, corpus, tmp_path / "out", **options)
    found = pq.read_table(tmp_path / "out" / "embeddings")
    vectors = dict(zip(found["text"].to_pylist(), found["embedding"].to_pylist(), strict=True))
    for text, vector in zip(TEXTS, encoder.encode(TEXTS), strict=True):
        np.testing.assert_array_equal(np.array(vectors[text], np.float32), vector)
