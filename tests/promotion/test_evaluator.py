"""The evaluator `fnet` of `mlflow.models.evaluate`."""

from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import pytest
from mlflow import MlflowClient
from mlflow.models import EvaluationResult, infer_signature
from sklearn.linear_model import LinearRegression

from fnet_evaluate import evaluate
from fnet_mlflow import register_preset
from fnet_mlflow.registry.evaluations import read_evaluations
from fnet_registry.errors import InputError
from tests.programs import run_program

# MLflow's own handling of DataFrames, under pandas 3.
pytestmark = pytest.mark.filterwarnings("ignore::pandas.errors.Pandas4Warning")

FRAME = pd.DataFrame(
    {
        "text_a": ["a cat sits", "a dog runs", "rain falls", "one king"],
        "text_b": ["a cat sat down", "a dog is running", "the stock market", "a queen"],
        "score": [4.5, 4.0, 0.5, 2.0],
    }
)


@pytest.fixture
def registered(registry: Path, preset_folder: Path) -> str:
    return register_preset(preset_folder, "fnet").model_uri


def run_evaluator(model: Any, data: Any = FRAME, **options: Any) -> EvaluationResult:
    asked = {"model_type": "fnet", "evaluators": "fnet", **options}
    return mlflow.models.evaluate(model, data, **asked)


def test_it_gives_the_figures_of_fnet_evaluate_without_pickles(
    registered: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
    FRAME.to_parquet("pairs.parquet")
    [expected] = evaluate(registered, "pairs.parquet")
    result = run_evaluator(registered, targets="score")
    assert result.metrics["spearman"] == expected.figures["spearman"].value
    assert result.metrics["pearson_low"] == expected.figures["pearson"].low
    [logged] = read_evaluations(mlflow.MlflowClient().get_model_version("fnet", "1").tags)
    assert logged.data_digest == expected.data_digest


def test_its_artifacts_hold_the_figures_the_items_and_the_picture(
    registered: str, tmp_path: Path
) -> None:
    result = run_evaluator(registered)
    assert result.artifacts["figures"].content["kind"] == "scored_pairs"
    assert list(result.artifacts["items"].content["score"]) == list(FRAME["score"])
    assert result.artifacts["picture"].content.size == (700, 500)
    result.save(tmp_path / "saved")
    assert EvaluationResult.load(tmp_path / "saved").metrics == result.metrics


def test_the_version_is_logged_on_and_its_logged_model_too(
    client: MlflowClient, registered: str
) -> None:
    data = mlflow.data.from_pandas(FRAME, name="dev", targets="score")
    with mlflow.start_run() as run:
        result = run_evaluator(registered, data)
    [logged] = read_evaluations(client.get_model_version("fnet", "1").tags)
    assert (logged.data, logged.run_id) == ("dev", run.info.run_id)
    assert logged.figures["spearman"][0] == result.metrics["spearman"]
    [model] = client.search_logged_models(["1"])
    assert {"spearman", "pearson_high"} <= {metric.key for metric in model.metrics or []}


def test_any_model_type_and_evaluator_list_will_do(registered: str) -> None:
    options = {"map": {"text_a": "left"}}
    result = run_evaluator(
        mlflow.pyfunc.load_model(registered),
        FRAME.rename(columns={"text_a": "left"}),
        model_type="text",
        evaluators=["fnet"],
        evaluator_config={"fnet": options},
    )
    assert "spearman" in result.metrics


def test_retrieval_names_are_those_that_mlflow_allows(registered: str) -> None:
    pairs = FRAME[["text_a", "text_b"]].set_axis(["anchor", "positive"], axis=1)
    assert "ndcg_at_10_low" in run_evaluator(registered, pairs).metrics


def test_it_says_nothing_of_other_models(registry: Path) -> None:
    frame = pd.DataFrame({"x": [0.0, 1.0, 2.0], "y": [0.0, 1.0, 2.0]})
    model = LinearRegression().fit(frame[["x"]], frame["y"])
    info = mlflow.sklearn.log_model(
        model,
        name="line",
        signature=infer_signature(frame[["x"]], frame["y"]),
        pip_requirements=[],
        serialization_format="skops",
    )
    arguments = {"model_type": "regressor", "targets": "y"}
    options = {"evaluator_config": {"log_explainer": False, "log_model_explainability": False}}
    result = mlflow.models.evaluate(info.model_uri, frame, **arguments, **options)
    assert result.metrics["mean_absolute_error"] == pytest.approx(0)
    with pytest.raises(mlflow.MlflowException, match="could not be evaluated by any"):
        run_evaluator(info.model_uri, frame, targets="y")


@pytest.mark.parametrize(
    ("data", "options", "words"),
    [
        (FRAME[["score"]], {}, "Received: score"),
        (FRAME.assign(score=["a", 1, None, 2]), {}, "Expected columns of one type each"),
        (FRAME, {"evaluator_config": {"corpora": "x"}}, "corpora"),
    ],
)
def test_what_it_cannot_evaluate_is_told(
    registered: str, data: pd.DataFrame, options: dict[str, Any], words: str
) -> None:
    with pytest.raises((InputError, TypeError), match=words):
        run_evaluator(registered, data, **options)


def test_mlflow_loads_it_without_anything_heavy() -> None:
    program = (
        "import sys, mlflow.models\n"
        "from mlflow.models.evaluation.evaluator_registry import _model_evaluation_registry\n"
        "assert _model_evaluation_registry.is_registered('fnet')\n"
        "heavy = {'torch', 'keras', 'ray', 'bm25s', 'fnet_evaluate.bootstrap'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    assert run_program(program) == "[]"


def test_an_option_that_there_is_none_of_is_a_type_error(registered: str) -> None:
    with pytest.raises(TypeError, match="baselines"):
        run_evaluator(registered, evaluator_config={"baselines": True})
