"""Retrieval over an output of the job: its vectors are used as they are, and no other model's."""

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

import fnet_ray
from fnet_cli.main import main
from fnet_evaluate import Evaluation, evaluate
from fnet_ray.output.audit import take_back
from fnet_ray.output.stores import open_store
from fnet_registry import TextEncoder
from fnet_registry.errors import InputError
from fnet_registry.presets.checkpoint import Checkpoint
from tests.evaluate.conftest import pairs, write_beir, write_csv
from tests.job.corpora import write_parquet

pytestmark = pytest.mark.usefixtures("ray_session")


@pytest.fixture(scope="module")
def beir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_beir(tmp_path_factory.mktemp("data") / "beir")


@pytest.fixture(scope="module")
def stored(beir: Path, preset_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("stored") / "out"
    fnet_ray.embed(preset_folder, beir / "corpus.jsonl", output, tracking=False)
    return output


def refusal(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    assert main(["evaluate", *map(str, arguments)]) == 2
    printed = capsys.readouterr().err
    assert printed.count("\n") == 1
    return printed


def columns(found: Evaluation) -> Mapping[str, Any]:
    return found.items.to_pydict()


def test_stored_vectors_give_the_figures_of_their_texts(
    stored: Path, tmp_path: Path, preset_folder: Path
) -> None:
    ids = [f"d{place}" for place in range(40)]
    queries = write_csv(tmp_path / "queries.csv", {"query": pairs()["anchor"], "relevant_ids": ids})
    texts = write_csv(tmp_path / "corpus.csv", {"id": ids, "text": pairs()["positive"]})
    [computed] = evaluate(preset_folder, queries, corpus=texts)
    without_titles = {"text": "text", "id": "_id"}
    [found] = evaluate(preset_folder, queries, corpus=stored, map=without_titles)
    assert columns(found) == columns(computed)
    assert found.figures == computed.figures


def test_a_version_is_evaluated_without_pickles_under_its_pinned_name(
    beir: Path, encoder: TextEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
    version, live = evaluate(["models:/fnet@champion", encoder], beir)
    assert (version.model, live.model) == ("models:/fnet/1", "TextEncoder")
    assert version.figures == live.figures


def test_a_version_may_search_what_its_preset_stored(
    beir: Path, stored: Path, registry: str, preset_folder: Path
) -> None:
    version, preset = evaluate([registry, preset_folder], beir, corpus=stored)
    assert version.figures == preset.figures


def test_stored_vectors_are_not_computed_again(
    beir: Path, stored: Path, tmp_path: Path, preset_folder: Path
) -> None:
    copy = Path(shutil.copytree(stored, tmp_path / "copy"))
    [file] = (copy / "embeddings").iterdir()
    # Plain bytes in the file: each text gets its neighbour's vector.
    vectors = pq.ParquetFile(file).read()["embedding"].combine_chunks().flatten().to_numpy()
    turned = file.read_bytes().replace(vectors.tobytes(), np.roll(vectors, 32).tobytes())
    file.write_bytes(turned)
    before, after = (
        evaluate(preset_folder, beir, corpus=corpus)[0].figures["mrr"].value
        for corpus in (stored, copy)
    )
    assert after < before


def test_the_folder_of_the_data_files_is_the_output_too(
    beir: Path, stored: Path, preset_folder: Path
) -> None:
    [first], [second] = (
        evaluate(preset_folder, beir, corpus=corpus) for corpus in (stored, f"{stored}/embeddings/")
    )
    assert first.figures == second.figures
    assert first.data_digest == second.data_digest


def test_the_column_of_vectors_may_have_any_name(
    beir: Path, stored: Path, tmp_path: Path, preset_folder: Path
) -> None:
    corpus, named = beir / "corpus.jsonl", tmp_path / "out"
    fnet_ray.embed(preset_folder, corpus, named, output_column="vector", tracking=False)
    [one], [other] = (evaluate(preset_folder, beir, corpus=each) for each in (stored, named))
    assert one.figures == other.figures


def test_baselines_read_the_texts_that_were_carried(
    beir: Path, stored: Path, preset_folder: Path
) -> None:
    found = evaluate(preset_folder, beir, corpus=stored, baselines=True)
    assert found[1].figures["recall@1"].value > 0.9


def test_vectors_of_another_model_are_refused(
    beir: Path, stored: Path, checkpoint: Checkpoint
) -> None:
    name, array = next(iter(checkpoint.arrays.items()))
    arrays = {**checkpoint.arrays, name: np.asarray(array) * 1.01}
    other = TextEncoder.from_checkpoint(replace(checkpoint, arrays=arrays))
    with pytest.raises(InputError, match="with its encoding.* made by .*kerashub .digest"):
        evaluate(other, beir, corpus=stored)


@pytest.mark.parametrize("encoding", [{"sequence_length": 16}, {"pooling": "cls"}])
def test_vectors_of_another_encoding_are_refused(
    encoding: dict[str, Any], beir: Path, stored: Path, preset_folder: Path
) -> None:
    other = TextEncoder.from_preset(preset_folder, **encoding)
    with pytest.raises(InputError, match="must be of the model that is evaluated, with its enc"):
        evaluate(other, beir, corpus=stored)


def test_an_output_that_is_not_finished_is_refused(
    beir: Path,
    stored: Path,
    preset_folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    copy = shutil.copytree(stored, tmp_path / "copy")
    take_back(open_store(copy), 0)
    found = refusal(capsys, preset_folder, "--data", beir, "--corpus", copy)
    assert "the same fnet embed command goes on. Received: " in found
    assert "with 0 of 1 shards" in found


def test_windows_and_vectors_without_texts(
    beir: Path, preset_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus = beir / "corpus.jsonl"
    fnet_ray.embed(preset_folder, corpus, tmp_path / "w", tracking=False, long_text="split")
    found = refusal(capsys, preset_folder, "--data", beir, "--corpus", tmp_path / "w")
    assert "one for each text. Received" in found
    fnet_ray.embed(preset_folder, corpus, tmp_path / "v", tracking=False, keep=["_id"])
    assert evaluate(preset_folder, beir, corpus=tmp_path / "v")[0].count == 20
    arguments = ["--data", beir, "--corpus", tmp_path / "v", "--baselines"]
    assert "Baselines need the corpus's texts" in refusal(capsys, preset_folder, *arguments)


def test_a_relevant_text_that_was_rejected_is_missing(
    preset_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus = write_parquet(tmp_path / "corpus.parquet", ["a", None])
    fnet_ray.embed(preset_folder, corpus, tmp_path / "out", tracking=False)
    data = write_csv(tmp_path / "q.csv", {"query": ["q"], "relevant_ids": ["row-1"]})
    found = refusal(capsys, preset_folder, "--data", data, "--corpus", tmp_path / "out")
    assert "ids of the corpus. Received: 'row-1'" in found
