"""`mlflow models serve` and `mlflow models predict`, for real."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import numpy as np
import pytest

from fnet_registry import TextEncoder
from tests.flavor.mlflow_server import free_port
from tests.programs import serving

TEXTS = ["a text", "another one"]


@pytest.fixture(scope="module")
def endpoint(saved_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A model server, from a folder that has nothing to do with the project."""
    port = free_port()
    folder = tmp_path_factory.mktemp("serving")
    (folder / "flavors").mkdir()
    command = [
        *(sys.executable, "-m", "mlflow", "models", "serve", "--env-manager", "local"),
        *("-m", str(saved_model), "--host", "127.0.0.1", "--port", str(port)),
    ]
    # MLflow starts uvicorn by its name.
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"PATH": programs}
    with serving(command, f"http://127.0.0.1:{port}/health", folder, environment):
        yield f"http://127.0.0.1:{port}/invocations"


def ask(endpoint: str, content: Any) -> Any:
    request = Request(
        endpoint, json.dumps(content).encode(), headers={"Content-Type": "application/json"}
    )
    with urlopen(request, timeout=60) as answer:
        return json.load(answer)


@pytest.mark.parametrize(
    "content",
    [
        {"inputs": TEXTS},
        {"instances": TEXTS},
        {"dataframe_split": {"columns": ["text"], "data": [[text] for text in TEXTS]}},
        {"dataframe_split": {"columns": ["text", "id"], "data": [[text, "x"] for text in TEXTS]}},
        {"dataframe_records": [{"text": text} for text in TEXTS]},
    ],
    ids=lambda content: str(content)[:40],
)
def test_every_form_of_request(endpoint: str, content: Any, encoder: TextEncoder):
    vectors = np.array(ask(endpoint, content)["predictions"], dtype=np.float32)
    np.testing.assert_array_equal(vectors, encoder.encode(TEXTS))


@pytest.mark.parametrize("texts", [TEXTS, TEXTS[0]], ids=["list", "one text"])
def test_a_request_as_openai_writes_it(endpoint: str, texts: Any, encoder: TextEncoder):
    vectors = np.array(ask(endpoint, {"input": texts}), dtype=np.float32)
    expected = encoder.encode(TEXTS if isinstance(texts, list) else [texts])
    np.testing.assert_array_equal(vectors, expected)


def test_parameters(endpoint: str, encoder: TextEncoder):
    content = {"inputs": TEXTS, "params": {"normalize": True, "batch_size": 1}}
    vectors = np.array(ask(endpoint, content)["predictions"], dtype=np.float32)
    np.testing.assert_array_equal(vectors, encoder.encode(TEXTS, normalize=True))


def test_requests_at_once_get_what_each_gets_alone(endpoint: str, encoder: TextEncoder):
    requests = [[f"text {n}", "word " * n][: n % 2 + 1] for n in range(24)]
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda texts: ask(endpoint, {"inputs": texts}), requests))
    for texts, answer in zip(requests, answers, strict=True):
        vectors = np.array(answer["predictions"], np.float32)
        np.testing.assert_array_equal(vectors, encoder.encode(texts))


@pytest.mark.parametrize("form", ["inputs", "instances", "input"])
def test_nuls_give_the_vector_that_they_give_here(endpoint: str, form: str, encoder: TextEncoder):
    texts = ["\0", "a\0b", "a text\0"]
    answer = ask(endpoint, {form: texts})
    vectors = answer if form == "input" else answer["predictions"]
    np.testing.assert_array_equal(np.array(vectors, np.float32), encoder.encode(texts))


def test_a_refused_text_is_not_sent_back(endpoint: str):
    content = {"inputs": ["x" * (65 << 20)]}
    with pytest.raises(HTTPError) as caught:
        ask(endpoint, content)
    assert caught.value.code == 400
    answer = caught.value.read()
    assert b"Row 0 must be at most 64 MiB long. Received: 68,157,440 B" in answer
    assert len(answer) < 3000


@pytest.mark.parametrize(
    "body",
    ['{"inputs": ' + "[" * 100_000 + "]" * 100_000 + "}", '{"inputs": [' + "9" * 4401 + "]}"],
    ids=["100,000 levels", "4,401 digits"],
)
def test_json_that_python_cannot_hold_is_status_400(endpoint: str, body: str):
    request = Request(endpoint, body.encode(), {"Content-Type": "application/json"})
    with pytest.raises(HTTPError) as caught:
        urlopen(request, timeout=60)
    assert caught.value.code == 400
    answer = caught.value.read()
    assert b"numbers of at most 4,300 digits. Received: " in answer
    assert len(answer) < 3000


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"dataframe_records": [{"text": "a"}, {"text": None}]}, "Row 1 must be a"),
        ({"dataframe_records": [{"id": "x", "text": "a"}]}, "must be called 'text'"),
        ({"inputs": ["word " * 400], "params": {"long_text": "error"}}, "Row 0 must be at most"),
        ({"inputs": TEXTS, "params": {"long_text": "cut"}}, "truncate, error"),
        (TEXTS, "exactly one of the input fields"),
    ],
    ids=["null", "ids first", "too long", "unknown word", "bare list"],
)
def test_a_mistake_is_status_400_and_says_what_is_wrong(endpoint: str, content: Any, words: str):
    with pytest.raises(HTTPError) as caught:
        ask(endpoint, content)
    assert caught.value.code == 400
    answer = json.load(caught.value)
    assert words in answer["message"]
    assert "Traceback" not in answer["message"]


def test_batch_prediction_by_the_command(saved_model: Path, tmp_path: Path, encoder: TextEncoder):
    (tmp_path / "in.json").write_text(json.dumps({"inputs": TEXTS}))
    command = [
        *(sys.executable, "-m", "mlflow", "models", "predict", "--env-manager", "local"),
        *("-m", str(saved_model), "-i", "in.json", "-o", "out.json"),
    ]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    vectors = np.array(json.loads((tmp_path / "out.json").read_text())["predictions"], np.float32)
    np.testing.assert_array_equal(vectors, encoder.encode(TEXTS))
