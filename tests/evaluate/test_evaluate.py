"""Models side by side: equal figures in every run, in any format, with vectors that were stored."""

import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from fnet_cli.main import main
from fnet_evaluate import Evaluation, evaluate, paired_difference
from fnet_evaluate.kinds import KINDS as ALL_KINDS
from fnet_registry import TextEncoder
from tests.evaluate.conftest import (
    KINDS,
    WRITERS,
    labels,
    pairs,
    plain,
    scored_pairs,
    write_csv,
    write_parquet,
)
from tests.programs import run_program


@pytest.fixture
def preset(preset_folder: Path) -> str:
    return str(preset_folder)


def values(evaluation: Evaluation) -> dict[str, float]:
    return {name: figure.value for name, figure in evaluation.figures.items()}


@pytest.mark.parametrize("kind", KINDS)
def test_two_evaluations_are_equal_to_the_last_digit(
    kind: str, preset: str, tmp_path: Path
) -> None:
    [first], [second] = (
        evaluate(preset, WRITERS[name](tmp_path / name, KINDS[kind]()))
        for name in ("data.parquet", "data.csv")
    )
    assert first.figures == second.figures
    np.testing.assert_array_equal(first.items.to_pandas(), second.items.to_pandas())
    assert first.items.num_rows == first.count
    assert {str(field.type) for field in first.items.schema} == {"double"}


@pytest.mark.parametrize("kind", KINDS)
def test_every_figure_lies_in_its_interval(kind: str, preset: str, tmp_path: Path) -> None:
    [found] = evaluate(preset, write_parquet(tmp_path / "a.parquet", KINDS[kind]()))
    assert (found.kind, found.data, found.model) == (kind, "a.parquet", preset)
    assert all(f.low <= f.value <= f.high for f in found.figures.values())


def test_the_figures_of_each_kind(preset: str, tmp_path: Path) -> None:
    found = {
        kind: [*evaluate(preset, write_parquet(tmp_path / "a.parquet", table()))[0].figures]
        for kind, table in KINDS.items()
    }
    assert found == {
        "scored_pairs": ["spearman", "pearson"],
        "retrieval": ["ndcg@10", "recall@1", "recall@10", "recall@100", "mrr", "map"],
        "labels": ["knn_accuracy", "probe_accuracy"],
        "texts": ["random_cosine", "alignment", "uniformity", "cut_share"],
    }


def test_retrieval_ranks_by_cosine(encoder: TextEncoder, tmp_path: Path) -> None:
    [found] = evaluate(encoder, write_parquet(tmp_path / "a.parquet", pairs()))
    anchors, positives = (
        encoder.encode(pairs()[name], normalize=True).astype(float)
        for name in ("anchor", "positive")
    )
    scores = anchors @ positives.T
    ranks = (scores > scores.diagonal()[:, None]).sum(axis=1) + 1
    assert values(found)["mrr"] == pytest.approx((1 / ranks).mean())
    assert values(found)["recall@10"] == (ranks <= 10).mean()


def test_relevant_words_decide_about_baselines(preset: str, tmp_path: Path) -> None:
    data = write_parquet(tmp_path / "a.parquet", pairs())
    model, bm25, tf_idf = evaluate(preset, data, baselines=True)
    assert [each.model for each in (bm25, tf_idf)] == ["BM25", "TF-IDF"]
    assert values(bm25)["recall@1"] == values(tf_idf)["recall@1"] == 1.0
    assert values(model)["recall@1"] < 1.0
    difference = paired_difference("retrieval", bm25.items, model.items)["recall@1"]
    assert difference.low > 0


@pytest.mark.parametrize("table", [scored_pairs, labels])
def test_tf_idf_is_the_baseline_of_pairs_and_labels(table, preset: str, tmp_path: Path) -> None:
    _, tf_idf = evaluate(preset, write_parquet(tmp_path / "a.parquet", table()), baselines=True)
    assert tf_idf.model == "TF-IDF"
    assert min(values(tf_idf).values()) > 0.8


def test_a_text_that_shares_no_word_is_not_found_by_words(preset: str, tmp_path: Path) -> None:
    table = {"anchor": ["!", "other", "two"], "positive": ["one", "three", "two"]}
    _, bm25, tf_idf = evaluate(preset, write_csv(tmp_path / "a.csv", table), baselines=True)
    assert values(bm25)["map"] == values(tf_idf)["map"] == pytest.approx(1 / 3)


def test_half_of_the_texts_are_cut(encoder: TextEncoder, tmp_path: Path) -> None:
    texts = ["short", "long " * 200] * 10
    [found] = evaluate(encoder, write_csv(tmp_path / "a.csv", {"text": texts}))
    assert values(found)["cut_share"] == 0.5


def test_random_pairs_are_spread_as_their_vectors_are(encoder: TextEncoder, tmp_path: Path) -> None:
    [found] = evaluate(encoder, write_parquet(tmp_path / "a.parquet", plain(200)))
    vectors = encoder.encode(plain(200)["text"], normalize=True).astype(float)
    cosine = (vectors @ vectors.T)[np.triu_indices(200, 1)]
    expected = {
        "random_cosine": cosine.mean(),
        "uniformity": np.log(np.exp(-2 * (2 - 2 * cosine)).mean()),
    }
    for name, value in expected.items():
        figure = found.figures[name]
        assert figure.value == pytest.approx(value, abs=figure.high - figure.low)


def test_texts_that_cannot_be_halved_have_no_alignment(
    encoder: TextEncoder, tmp_path: Path
) -> None:
    [found] = evaluate(encoder, write_csv(tmp_path / "a.csv", {"text": ["a", "b", "c"]}))
    assert np.isnan(found.figures["alignment"].value)
    assert found.figures["random_cosine"].value <= 1


def test_the_command_prints_figures_and_differences(
    preset: str, data_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = write_parquet(tmp_path / "sts.parquet", scored_pairs())
    other = str(data_folder / "old_nlp082_keras215")
    assert main(["evaluate", preset, other, "--data", str(data), "--baselines"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("sts.parquet: 40 pairs, SHA-256 ")
    assert f"differences are to {preset}, on the same pairs" in printed
    lines = [line.split() for line in printed.splitlines()]
    models = [other, "TF-IDF"]
    assert [line[0] for line in lines[4:]] == ["spearman", *models, "pearson", *models]
    assert lines[6][-1] == "higher"


def test_the_command_prints_one_object_with_all_digits(
    preset: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    data = write_csv(tmp_path / "a.csv", {"question": ["a", "bc"], "positive": ["a", "d"]})
    arguments = ["--data", str(data), "--map", "anchor=question", "--baselines", "--json"]
    assert main(["evaluate", preset, *arguments]) == 0
    printed = json.loads(capfd.readouterr().out)
    expected = evaluate(preset, data, map={"anchor": "question"}, baselines=True)
    assert [each["model"] for each in printed["models"]] == [preset, "BM25", "TF-IDF"]
    for found, evaluation in zip(printed["models"], expected, strict=True):
        assert found["figures"] == {n: asdict(f) for n, f in evaluation.figures.items()}
    assert printed["models"][0]["difference"] is None
    assert printed["models"][1]["difference"].keys() == expected[0].figures.keys()
    assert printed["data_digest"] == expected[0].data_digest


def test_what_is_not_defined_is_null_in_json_and_a_dash_in_the_table(
    preset: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = str(write_csv(tmp_path / "a.csv", {"text": ["a", "b"]}))
    assert main(["evaluate", preset, "--data", data, "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["models"][0]["figures"]["alignment"]["value"] is None
    assert main(["evaluate", preset, "--data", data]) == 0
    [line] = [x for x in capsys.readouterr().out.splitlines() if x.startswith("alignment")]
    assert line.split()[-1] == "-"


def test_the_help_is_light() -> None:
    program = (
        "import sys; from fnet_cli.main import main\n"
        "try: main(['evaluate', '--help'])\n"
        "except SystemExit: pass\n"
        "print({'torch', 'mlflow', 'sklearn', 'pyarrow', 'numpy', 'ray'} & sys.modules.keys())"
    )
    assert run_program(program).splitlines()[-1] == "set()"


def test_a_raw_handle_opens_no_registry(
    preset: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    data = write_csv(tmp_path / "a.csv", {"text": ["a text", "b"]})
    command = [Path(sys.executable).with_name("fnet"), "evaluate", preset, "--data", data]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert "random_cosine" in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


def test_baselines_do_not_start_jax() -> None:
    """Whether it is loaded already or not."""
    pytest.importorskip("jax")
    program = (
        "import sys, jax; from fnet_evaluate.baselines import bm25_scores\n"
        "[scores] = bm25_scores(['a word'], ['a word', 'b'])\n"
        "import bm25s.selection; print(bm25s.selection.JAX_IS_AVAILABLE, sys.modules['jax'] is jax)"
    )
    assert run_program(program) == "False True"
    program = (
        "import sys; from fnet_evaluate.baselines import bm25_scores\n"
        "[scores] = bm25_scores(['a word'], ['a word', 'b'])\n"
        "print(scores[0] > scores[1], 'jax' in sys.modules)"
    )
    assert run_program(program) == "True False"


def test_every_kind_was_evaluated() -> None:
    assert KINDS.keys() == ALL_KINDS.keys()
