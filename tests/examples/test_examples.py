"""The programs of examples/, run as a user runs them."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import numpy as np
import openai
import pytest
import torch

from fnet_registry import TextEncoder
from tests.flavor.conftest import empty_database  # noqa: F401
from tests.flavor.mlflow_server import free_port
from tests.programs import run_program, serving

pytestmark = pytest.mark.system

EXAMPLES = Path(__file__).parents[2] / "examples"
PAGE = Path(__file__).parents[2] / "docs" / "serving.md"
PRESET = "f_net_mini_docs_en"
TEXTS = ["a text", "another one", "Delete a folder and all that is in it."]


@pytest.fixture
def run(empty_database: Path, tmp_path: Path) -> Callable[..., str]:  # noqa: F811
    """Runs an example in the test's folder, and returns what it printed."""
    shutil.copy(empty_database, tmp_path / "mlflow.db")
    environment = os.environ | {"MLFLOW_TRACKING_URI": "sqlite:///mlflow.db"}
    environment["XDG_CACHE_HOME"] = str(tmp_path / "cache")
    environment |= {"PYSPARK_PYTHON": sys.executable, "SPARK_LOCAL_IP": "127.0.0.1"}

    def run(name: str, *arguments: str) -> str:
        command = [sys.executable, str(EXAMPLES / name), *arguments]
        finished = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert finished.returncode == 0, finished.stderr[-4000:]
        return finished.stdout

    return run


def test_register_and_predict(run: Callable[..., str]) -> None:
    first, best, other = run("register_and_predict.py").splitlines()
    assert first == "models:/docs/1 is new"
    assert "Delete a folder" in best
    assert float(best.split()[0]) > float(other.split()[0])


def test_embed_a_folder(run: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "remove.txt").write_text("Delete a folder and all that is in it.\n")
    (tmp_path / "texts" / "split.txt").write_text("Split a string at spaces.\n")
    lines = run("embed_folder.py", "texts", "out", "remove a directory tree").splitlines()
    assert lines[0] == "2 texts embedded, 0 rejected"
    assert "fixed_size_list" in lines[1]
    assert [line.split("/")[-1] for line in lines[2:]] == ["remove.txt", "split.txt"]


def test_tune_and_promote(run: Callable[..., str]) -> None:
    lines = run("tune_and_promote.py").splitlines()
    assert lines[0].startswith("models:/docs/1 Figure(value=0.")
    assert lines[-1].startswith(("promoted by", "refused by", "unchanged by"))
    assert "ndcg@10>=champion" in lines[-1]


@pytest.mark.parametrize("name", ["embed_folder.py", "call_server.py"])
def test_a_program_without_its_arguments_says_how_it_is_called(name: str) -> None:
    command = [sys.executable, str(EXAMPLES / name), "only one"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"python examples/{name} " in done.stderr
    assert "Traceback" not in done.stderr


def test_replicas_need_not_find_the_file_that_serve_run_is_given() -> None:
    program = f"""
import sys
from ray import cloudpickle
sys.path.insert(0, {str(EXAMPLES)!r})
import serve
serve.app({{"model": {PRESET!r}}})
sent = cloudpickle.dumps(serve.Embeddings.func_or_class)
del sys.path[0], sys.modules["serve"]
print(cloudpickle.loads(sent).__name__)
"""
    assert run_program(program) == "Embeddings"


def test_a_client_that_sends_too_slowly_gives_up_its_place() -> None:
    program = f"""
import asyncio, sys
sys.path.insert(0, {str(EXAMPLES)!r})
import serve
serve.SECONDS_TO_SEND = 0.01
try:
    asyncio.run(serve.read_body(serve.Request({{"type": "http"}}, asyncio.Event().wait)))
except serve.openai.RefusedError as error:
    print(error.status, error)
"""
    expected = "408 A request must come within 0.01 s. Received: 0 bytes"
    assert run_program(program) == expected


def test_a_model_that_cannot_be_served_is_told_in_one_line_before_ray_starts() -> None:
    command = [sys.executable, str(EXAMPLES / "serve.py"), "nowhere"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("serve.py: error: Unknown preset handle")


def test_an_app_without_a_model_says_how_one_is_given() -> None:
    program = f"import sys; sys.path.insert(0, {str(EXAMPLES)!r}); import serve; serve.app({{}})"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    expected = "ValueError: Expected a model, as model=models:/docs/1. Received: {}"
    assert done.stderr.splitlines()[-1] == expected


@pytest.mark.skipif(shutil.which("java") is None, reason="Java is not here")
def test_from_spark(run: Callable[..., str]) -> None:
    pytest.importorskip("pyspark", reason="pyspark is not installed")
    run("register_and_predict.py")
    assert "480 numbers  Parse a date." in run("from_spark.py", "models:/docs/1").splitlines()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    port, folder = free_port(), tmp_path_factory.mktemp("serve")
    command = [sys.executable, str(EXAMPLES / "serve.py"), PRESET, "--port", str(port)]
    with serving(command, f"http://127.0.0.1:{port}/v1/models", folder) as process:
        yield f"http://127.0.0.1:{port}/v1"
        process.terminate()
        assert process.wait(60) == 0, "SIGTERM is an order to end, not a crash"


@contextmanager
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


class TestServing:
    @pytest.fixture
    def client(self, server: str) -> openai.OpenAI:
        return openai.OpenAI(base_url=server, api_key="none is needed", max_retries=0)

    @pytest.fixture
    def create(self, client: openai.OpenAI) -> Callable[..., Any]:
        return lambda **fields: client.embeddings.create(
            **{"model": PRESET, "input": TEXTS} | fields
        )

    @pytest.mark.parametrize("form", [{}, {"encoding_format": "float"}], ids=["base64", "float"])
    def test_served_vectors_have_the_bits_of_the_encoder(
        self, create: Callable[..., Any], form: dict[str, Any]
    ) -> None:
        with one_thread():  # as Ray gives a replica of one CPU
            encoder = TextEncoder.from_preset(PRESET)
            expected = encoder.encode(TEXTS)
        answer = create(**form)
        found = np.array([row.embedding for row in answer.data], np.float32)
        np.testing.assert_array_equal(found, expected)
        assert answer.usage.total_tokens == encoder.tokenize(TEXTS).lengths.sum()

    def test_clients_at_once_get_what_each_gets_alone(self, create: Callable[..., Any]) -> None:
        with ThreadPoolExecutor(16) as pool:
            texts = [f"text {number % 8}" for number in range(48)]
            together = [one.data[0].embedding for one in pool.map(lambda t: create(input=t), texts)]
        assert together == [create(input=text).data[0].embedding for text in texts[:8]] * 6

    def test_the_served_model_is_listed(self, client: openai.OpenAI) -> None:
        assert [model.id for model in client.models.list()] == [PRESET]

    @pytest.mark.parametrize(
        ("fields", "status"),
        [({"input": []}, 400), ({"dimensions": 3}, 400), ({"model": "x"}, 404)],
        ids=["no texts", "dimensions", "model"],
    )
    def test_a_mistake_reaches_the_client_in_words(
        self, create: Callable[..., Any], fields: dict[str, Any], status: int
    ) -> None:
        with pytest.raises(openai.APIStatusError, match="Received: ") as caught:
            create(**fields)
        assert caught.value.status_code == status
        assert caught.value.param == next(iter(fields))

    def test_a_huge_body_is_refused_while_a_neighbour_is_served(
        self, client: openai.OpenAI, create: Callable[..., Any]
    ) -> None:
        with pytest.raises(openai.APIStatusError, match="at most 16 MiB"):
            create(input=["x" * (17 << 20)])
        with pytest.raises(openai.APIStatusError, match="Not Found. Received: GET /v1/files"):
            client.files.list()
        assert len(create().data) == len(TEXTS)

    def test_a_method_that_is_not_served_is_told_which_are(self, server: str) -> None:
        with pytest.raises(HTTPError) as caught:
            urlopen(Request(f"{server}/embeddings", method="PUT"))
        assert (caught.value.code, caught.value.headers["Allow"]) == (405, "POST")
        assert "Received: PUT /v1/embeddings" in json.load(caught.value)["error"]["message"]
        caught.value.close()

    def test_the_client_of_the_examples(self, server: str, run: Callable[..., str]) -> None:
        best, other, tokens = run("call_server.py", server, PRESET).splitlines()
        assert best.endswith("Delete a folder and all that is in it.")
        assert float(best.split()[0]) > float(other.split()[0])
        assert tokens.endswith(" tokens")

    def test_the_page_on_serving_runs_as_it_stands(
        self, server: str, run: Callable[..., str], tmp_path: Path
    ) -> None:
        blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
        program = "\n".join(blocks).replace("http://127.0.0.1:8000/v1", server)
        (tmp_path / "page.py").write_text(program)
        assert run(str(tmp_path / "page.py")).startswith("480 ")
