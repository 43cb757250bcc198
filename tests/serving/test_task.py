"""MLflow's task `llm/v1/embeddings`: the same vectors, in OpenAI's form."""

import json
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest
from mlflow.exceptions import MlflowException
from mlflow.models import Model, ModelSignature
from mlflow.pyfunc import scoring_server
from mlflow.types.llm import EMBEDDING_MODEL_INPUT_SCHEMA, EMBEDDING_MODEL_OUTPUT_SCHEMA

import fnet_mlflow
from fnet_registry import TextEncoder
from fnet_registry.errors import ModelError

TEXTS = ["a text", "another one"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, preset_folder: Path) -> Path:
    path = tmp_path_factory.mktemp("task") / "model"
    fnet_mlflow.save_model(preset_folder, path, task="llm/v1/embeddings")
    return path


@pytest.fixture(scope="module")
def model(folder: Path) -> Any:
    return mlflow.pyfunc.load_model(str(folder))


def vectors(answer: dict[str, Any]) -> np.ndarray:
    return np.array([row["embedding"] for row in answer["data"]], np.float32)


def invoke(model: Any, **content: Any) -> dict[str, Any]:
    """As MLflow's model server does."""
    body, schema = json.dumps(content).encode(), model.metadata.get_input_schema()
    return json.loads(scoring_server.invocations(body, "application/json", model, schema).response)


def test_the_signature_is_that_of_mlflows_own_flavors(folder: Path) -> None:
    saved = Model.load(folder)
    assert isinstance(saved.signature, ModelSignature)
    assert saved.signature.inputs == EMBEDDING_MODEL_INPUT_SCHEMA
    assert saved.signature.outputs == EMBEDDING_MODEL_OUTPUT_SCHEMA
    assert saved.metadata is not None
    assert saved.metadata["task"] == "llm/v1/embeddings"


@pytest.mark.parametrize("texts", [TEXTS, TEXTS[0]], ids=["list", "one text"])
def test_a_request_as_openai_writes_it_is_answered_as_openai_answers(
    model: Any, texts: Any, encoder: TextEncoder
) -> None:
    answer = invoke(model, input=texts)
    asked = [texts] if isinstance(texts, str) else texts
    np.testing.assert_array_equal(vectors(answer), encoder.encode(asked))
    count = int(encoder.tokenize(asked).lengths.sum())
    assert answer["usage"] == {"prompt_tokens": count, "total_tokens": count}
    assert answer["object"] == "list"


def test_a_request_chooses_what_it_chooses_without_the_task(
    model: Any, encoder: TextEncoder
) -> None:
    answer = invoke(model, input=TEXTS, normalize=True, batch_size=1)
    np.testing.assert_array_equal(vectors(answer), encoder.encode(TEXTS, normalize=True))
    with pytest.raises(MlflowException, match="Row 0 must be at most 64 tokens"):
        invoke(model, input="word " * 400, long_text="error")


def test_predict_takes_a_mapping(model: Any, encoder: TextEncoder) -> None:
    answer = model.predict({"input": TEXTS})
    np.testing.assert_array_equal(vectors(answer), encoder.encode(TEXTS))


def test_the_task_changes_no_digest(folder: Path, preset_folder: Path, tmp_path: Path) -> None:
    fnet_mlflow.save_model(preset_folder, tmp_path / "plain")
    plain, task = (Model.load(path).flavors["fnet"] for path in (tmp_path / "plain", folder))
    assert plain["content_sha256"] == task["content_sha256"]
    assert "task" not in (Model.load(tmp_path / "plain").metadata or {})


def test_another_task_is_refused(preset_folder: Path, tmp_path: Path) -> None:
    task: Any = "llm/v1/chat"
    with pytest.raises(ModelError, match="may be 'llm/v1/embeddings'. Received: 'llm/v1/chat'"):
        fnet_mlflow.save_model(preset_folder, tmp_path / "model", task=task)
