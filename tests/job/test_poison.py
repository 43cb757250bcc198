"""Rows that the encoder cannot bear end up as rejects, whatever they do to it."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

import fnet_ray.job
from fnet_ray.isolation import IsolatingEncoder
from fnet_ray.model import PinnedModel
from fnet_registry import TextEncoder
from tests.job.corpora import write_parquet
from tests.job.poison import PoisonedModel


@pytest.fixture
def poisoned(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers load an encoder that raises over one text and dies over another."""
    share = fnet_ray.job.share_model

    def share_poisoned(model: PinnedModel, *, dtype: str | None) -> PoisonedModel:
        shared = share(model, dtype=dtype)
        return PoisonedModel.of(shared, raises="it raises", kills="it kills")

    monkeypatch.setattr(fnet_ray.job, "share_model", share_poisoned)


@pytest.mark.xdist_group("ray")
@pytest.mark.usefixtures("ray_session", "poisoned")
def test_a_row_that_makes_the_encoder_raise_is_alone_in_the_rejects(
    tmp_path: Path, preset_folder: Path, encoder: TextEncoder
) -> None:
    texts = [f"text {i}" for i in range(50)]
    texts[7] = texts[8] = texts[49] = "it raises"
    corpus = write_parquet(tmp_path / "corpus.parquet", texts)

    fnet_ray.embed(preset_folder, corpus, tmp_path / "out")

    rejects = pq.read_table(tmp_path / "out" / "rejects")
    assert rejects["source_row"].to_pylist() == [7, 8, 49]
    assert set(rejects["reason"].to_pylist()) == {"the encoder failed with RuntimeError: poison"}
    found = pq.read_table(tmp_path / "out" / "embeddings")
    assert found["text"].to_pylist() == [text for text in texts if text != "it raises"]
    np.testing.assert_array_equal(
        np.array(found["embedding"].to_pylist(), np.float32),
        encoder.encode(found["text"].to_pylist()),
    )


@pytest.mark.slow
@pytest.mark.xdist_group("ray")
@pytest.mark.usefixtures("ray_session", "poisoned")
def test_a_row_that_kills_its_process_is_found_by_counting_attempts(
    tmp_path: Path, preset_folder: Path
) -> None:
    texts = [f"text {i}" for i in range(20)]
    texts[5] = "it kills"
    corpus = write_parquet(tmp_path / "corpus.parquet", texts)

    report = fnet_ray.embed(preset_folder, corpus, tmp_path / "out", batch_tokens=4 * 64)

    assert (report.embedded, report.rejected) == (19, 1)
    [reject] = pq.read_table(tmp_path / "out" / "rejects").to_pylist()
    assert reject["source_row"] == 5
    assert reject["reason"] == "the worker died 2 times while it encoded this"


def test_a_vector_that_is_not_finite_is_set_aside(encoder: TextEncoder) -> None:
    def encode(tokens) -> np.ndarray:
        vectors = encoder.encode_tokens(tokens)
        vectors[tokens.lengths > 6] = np.inf
        return vectors

    tokens = encoder.tokenize(["a", "a text that is longer than the others", "b"])
    _, failed = IsolatingEncoder(encode, dim=encoder.dim, batch_size=2)(tokens)
    assert failed == {1: "the vector is not finite"}


def test_out_of_memory_halves_the_batch_for_good(encoder: TextEncoder) -> None:
    import torch

    sizes = []

    def encode(tokens) -> np.ndarray:
        sizes.append(len(tokens))
        if len(tokens) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return encoder.encode_tokens(tokens)

    texts = [f"text {i}" for i in range(9)]
    isolating = IsolatingEncoder(encode, dim=encoder.dim, batch_size=8)
    vectors, failed = isolating(encoder.tokenize(texts))

    assert sizes == [8, 4, 2, 2, 2, 2, 1]
    assert (isolating.batch_size, failed) == (2, {})
    np.testing.assert_array_equal(vectors, encoder.encode(texts))
