"""`fnet whiten`: a version whose vectors vary alike in all directions."""

import json
import random
from pathlib import Path

import mlflow
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import fnet_mlflow
import fnet_tune
from fnet_cli.main import main
from fnet_registry.errors import FNetError, InputError

pytestmark = pytest.mark.usefixtures("ray_session")

WORDS = ["river", "mountain", "cloud", "engine", "table", "paper", "window", "garden", "stone"]


def texts(seed: int, count: int) -> list[str]:
    draw = random.Random(seed)
    return [" ".join(draw.choices(WORDS, k=draw.randint(2, 12))) for _ in range(count)]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two files of 400 texts, and six rows without one."""
    folder = tmp_path_factory.mktemp("corpus")
    pq.write_table(pa.table({"text": [*texts(1, 250), None, "  "]}), folder / "a.parquet")
    rows = [*({"text": text} for text in texts(2, 150)), {"text": None}]
    lines = [*map(json.dumps, rows), "{", '{"text": 5}', r'{"text": "\ud800"}']
    (folder / "b.jsonl").write_text("\n".join(lines))
    return folder


def test_its_vectors_have_mean_0_and_covariance_1(
    corpus: Path, preset_folder: Path, registry: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = fnet_mlflow.register_preset(
        preset_folder, "fnet", sequence_length=16, normalize=True, pooling="cls"
    )
    command = ["whiten", base.model_uri, str(corpus), "--name", "fnet", "--dims", "8"]
    assert main([*command, "--alias", "white", "--tag", "team=search"]) == 0
    out = capsys.readouterr().out
    assert "400 texts, vectors of 8 values; 6 rows without a text were left out" in out
    assert "models:/fnet/2 registered" in out

    encoder = fnet_mlflow.load_model("models:/fnet@white")
    assert encoder.config == fnet_mlflow.load_model(base.model_uri).config
    every = [*texts(1, 250), *texts(2, 150)]
    vectors = encoder.encode(every, normalize=False)
    np.testing.assert_allclose(vectors.mean(0), 0, atol=5e-3)
    np.testing.assert_allclose(np.cov(vectors.T, bias=True), np.eye(8), atol=2e-2)
    lengths = np.linalg.norm(encoder.encode(every), axis=1)  # the version normalises, as before
    np.testing.assert_allclose(lengths, 1, atol=1e-5)
    assert fnet_mlflow.verify_model("models:/fnet/2").passed

    version = mlflow.MlflowClient().get_model_version("fnet", "2")
    assert version.tags["team"] == "search"
    assert version.tags["fnet.parent"] == "models:/fnet/1"
    assert version.tags["fnet.whitened_texts"] == "400"
    assert "classification can suffer" in version.description

    assert main(command) == 0  # the same to the last bit, whatever order the workers took
    assert "models:/fnet/2 holds this already" in capsys.readouterr().out


def test_a_whitened_version_can_be_whitened_again(
    corpus: Path, preset_folder: Path, registry: Path
) -> None:
    fnet_mlflow.register_preset(preset_folder, "fnet", sequence_length=16)
    for parent, dims in ((1, 12), (2, 5)):
        made = fnet_tune.whiten(f"models:/fnet/{parent}", corpus, name="fnet", dims=dims)
        assert (made.texts, made.left_out, made.dims) == (400, 6, dims)
    vectors = fnet_mlflow.load_model("models:/fnet/3").encode(texts(1, 250) + texts(2, 150))
    np.testing.assert_allclose(np.cov(vectors.T, bias=True), np.eye(5), atol=2e-2)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"dims": 0}, r"between 1 and 32, .* Received: 0"),
        ({"dims": 33}, r"between 1 and 32, .* Received: 33"),
        ({"dims": 8.0}, r"between 1 and 32, .* Received: 8.0"),
        ({"column": "body"}, r"the column 'body'; choose another one with --column"),
        (
            {"tags": {"fnet.parent": "x"}},
            r"must not begin with fnet\., .* Received: 'fnet.parent'",
        ),
    ],
)
def test_impossible_options(
    corpus: Path, preset_folder: Path, registry: Path, options: dict, words: str
) -> None:
    with pytest.raises(FNetError, match=words):
        fnet_tune.whiten(preset_folder, corpus, name="fnet", **options)


def test_a_column_that_one_file_lacks(preset_folder: Path, registry: Path, tmp_path: Path) -> None:
    pq.write_table(pa.table({"body": texts(1, 50)}), tmp_path / "a.parquet")
    pq.write_table(pa.table({"text": texts(2, 50)}), tmp_path / "b.parquet")
    with pytest.raises(InputError, match="must have the columns body. Received: text in .*b.par"):
        fnet_tune.whiten(preset_folder, tmp_path, name="fnet", column="body")


def test_a_column_that_holds_no_texts(
    preset_folder: Path, registry: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pq.write_table(pa.table({"text": list(range(50))}), tmp_path / "numbers.parquet")
    command = ["whiten", str(preset_folder), str(tmp_path / "numbers.parquet"), "--name", "fnet"]
    assert main(command) == 2
    errors = capsys.readouterr().err
    assert "The column 'text' must hold texts. Received: int64 in" in errors
    assert errors.rstrip().endswith("numbers.parquet")
    assert "Traceback" not in errors


@pytest.mark.parametrize("rows", [[None, ""], ["the same"] * 9])
def test_a_corpus_to_learn_nothing_from(
    rows: list, preset_folder: Path, registry: Path, tmp_path: Path
) -> None:
    pq.write_table(pa.table({"text": pa.array(rows, pa.string())}), tmp_path / "c.parquet")
    with pytest.raises(InputError, match=r"must hold texts|which vary in 0"):
        fnet_tune.whiten(preset_folder, tmp_path / "c.parquet", name="fnet")
    assert mlflow.MlflowClient().search_registered_models() == []
