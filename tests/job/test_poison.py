"""Rows that the tokenizer or the encoder cannot bear end up as rejects, whatever they do to it."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

import fnet_ray.embedding
from fnet_ray.stages.guarded import GuardedTokenizer
from fnet_ray.stages.isolation import IsolatingEncoder
from fnet_ray.stages.tokens import Windowing
from fnet_registry import TextEncoder
from fnet_registry.errors import JobError
from tests.job.corpora import write_parquet

FNET = Path(sys.executable).with_name("fnet")


@pytest.fixture
def poisonous_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A SentencePiece that some texts are too much for, in every process that is started."""
    (tmp_path / "path").mkdir()
    shutil.copy(Path(__file__).with_name("poison.py"), tmp_path / "path" / "sitecustomize.py")
    monkeypatch.syspath_prepend(str(tmp_path / "path"))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "path"), prepend=os.pathsep)


class TestTokenizer:
    """Texts meet native code in a process of their own."""

    @pytest.fixture
    def guarded(self, encoder: TextEncoder) -> GuardedTokenizer:
        return GuardedTokenizer(encoder.tokenizer.proto)

    @pytest.mark.usefixtures("poisonous_library")
    @pytest.mark.parametrize("bad", [[0], [3, 4, 19], list(range(20))], ids=str)
    @pytest.mark.system
    def test_texts_that_kill_their_process_are_refused(
        self, bad: list[int], guarded: GuardedTokenizer, encoder: TextEncoder
    ) -> None:
        texts = ["it kills" if row in bad else f"text {row}" for row in range(20)]
        windows, refused = guarded.make_windows(texts, Windowing(sequence_length=64))
        assert refused == dict.fromkeys(bad, "the tokenizer died over this text (-9)")
        good = [text for text in texts if text != "it kills"]
        np.testing.assert_array_equal(windows.tokens.values, encoder.tokenize(good).values)

    @pytest.mark.usefixtures("poisonous_library")
    def test_a_text_that_makes_it_raise_is_refused(self, guarded: GuardedTokenizer) -> None:
        texts = ["good", "it raises", "a long text " * 30]
        windowing = Windowing(sequence_length=64, long_text="error")
        windows, refused = guarded.make_windows(texts, windowing)
        assert refused[1] == "the tokenizer failed with RuntimeError: poison"
        assert refused[2].endswith("tokens, more than 64")
        assert len(windows.tokens) == 1

    @pytest.mark.usefixtures("poisonous_library")
    def test_texts_that_kill_it_only_together_are_tokenized_apart(
        self, guarded: GuardedTokenizer, encoder: TextEncoder
    ) -> None:
        texts = ["a", "together too much", "long " * 99, "b", "together too much", "it kills", "c"]
        windowing = Windowing(sequence_length=64, long_text="error")
        windows, refused = guarded.make_windows(texts, windowing)
        assert sorted(refused) == [2, 5]
        good = [text for i, text in enumerate(texts) if i not in refused]
        np.testing.assert_array_equal(windows.tokens.values, encoder.tokenize(good).values)
        assert windows.document.tolist() == [0, 1, 2, 3, 4]

    def test_it_may_be_killed_from_outside(self, guarded: GuardedTokenizer) -> None:
        windowing = Windowing(sequence_length=64)
        guarded.make_windows(["a"], windowing)
        assert guarded._child
        guarded._child.process.kill()
        guarded._child.process.wait()
        windows, refused = guarded.make_windows(["a", "b"], windowing)
        assert (len(windows.tokens), refused) == (2, {})

    def test_it_ends_with_its_user(self, encoder: TextEncoder) -> None:
        guarded = GuardedTokenizer(encoder.tokenizer.proto)
        guarded.make_windows(["a"], Windowing(sequence_length=64))
        assert guarded._child
        process = guarded._child.process
        del guarded
        assert process.wait() == -signal.SIGKILL

    def test_one_that_does_not_start_refuses_no_texts(self) -> None:
        with pytest.raises(JobError, match="must start. Received: A tokenizer needs"):
            GuardedTokenizer(b"no model").make_windows(["a"], Windowing(sequence_length=64))


@pytest.mark.timeout(200)
@pytest.mark.usefixtures("poisonous_library")
@pytest.mark.system
def test_a_text_that_kills_its_process_is_alone_in_the_rejects(
    registry: str, tmp_path: Path
) -> None:
    texts = [f"text {i}" for i in range(50)]
    texts[7] = texts[8] = "it kills"
    corpus = write_parquet(tmp_path / "corpus.parquet", texts)

    command = [FNET, "embed", registry, corpus, tmp_path / "out", "--id-column", "id"]
    subprocess.run(command, check=True, timeout=150)

    rejects = pq.read_table(tmp_path / "out" / "rejects")
    assert rejects["id"].to_pylist() == ["row-7", "row-8"]
    assert set(rejects["reason"].to_pylist()) == {"the tokenizer died over this text (-9)"}
    found = pq.read_table(tmp_path / "out" / "embeddings")
    assert found["text"].to_pylist() == [text for text in texts if text != "it kills"]


@pytest.mark.usefixtures("ray_session")
def test_a_row_that_makes_the_encoder_raise_is_alone_in_the_rejects(
    poison: Callable, tmp_path: Path, preset_folder: Path, encoder: TextEncoder
) -> None:
    poison("it raises", dies=False)
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


@pytest.mark.usefixtures("ray_session")
@pytest.mark.system
def test_a_shard_that_always_ends_its_worker_ends_the_job_with_an_error(
    poison: Callable, tmp_path: Path, preset_folder: Path
) -> None:
    poison("it kills", dies=True)
    corpus = write_parquet(tmp_path / "corpus.parquet", ["a text", "it kills"])
    with pytest.raises(JobError, match=r"live to the end .* Received: shard 0, .* workers died"):
        fnet_ray.embed(preset_folder, corpus, tmp_path / "out", tracking=False)


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
