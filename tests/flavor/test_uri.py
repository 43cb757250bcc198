"""What names a model: read in one place, for loading, verifying, registering and jobs."""

from collections.abc import Callable
from pathlib import Path

import mlflow
import pytest

import fnet_mlflow
from fnet_cli.main import main
from fnet_mlflow.registry.lookup import look_up
from fnet_mlflow.registry.uri import ModelUri
from fnet_ray.model import resolve_model
from fnet_registry.errors import ModelError

LOGGED = f"m-{'0a' * 16}"

FORMS = {
    "models:/fnet/3": ModelUri(name="fnet", version=3),
    "models:/fnet/latest": ModelUri(name="fnet", version="latest"),
    "models:/fnet@champion": ModelUri(name="fnet", alias="champion"),
    "models:/say@me/3": ModelUri(name="say@me", version=3),
    "models:/say@me@champion": ModelUri(name="say@me", alias="champion"),
    "models:/o'brien's fnet/3": ModelUri(name="o'brien's fnet", version=3),
    "models:/fnet": ModelUri(name="fnet"),
    "models:/fnet@": ModelUri(name="fnet@"),
    "models:/m-large/3": ModelUri(name="m-large", version=3),
    f"models:/{LOGGED}": ModelUri(model_id=LOGGED),
    "models:/fnet/Production": ModelUri(other="models:/fnet/Production"),
    "models:/fnet/1/data": ModelUri(other="models:/fnet/1/data"),
    "models:/": ModelUri(other="models:/"),
    "runs:/0123/fnet": ModelUri(other="runs:/0123/fnet"),
    "hf://owner/name@main": ModelUri(other="hf://owner/name@main"),
    "./folder": ModelUri(other="./folder"),
    "": ModelUri(other=""),
}


@pytest.mark.parametrize(("text", "uri"), FORMS.items())
def test_it_is_read_and_written_back(text: str, uri: ModelUri):
    assert ModelUri.parse(text) == uri
    assert str(uri) == text


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("models:/fnet/LATEST", "models:/fnet/latest"),
        ("models:/fnet/003", "models:/fnet/3"),
        ("models:///fnet@champion/", "models:/fnet@champion"),
        ("models:/fnet/", "models:/fnet"),
    ],
)
def test_it_is_written_in_its_plainest_form(text: str, plain: str):
    assert str(ModelUri.parse(text)) == plain


@pytest.mark.parametrize("uri", ["models:/fnet", "models:/fnet/", "models:/fnet@"])
@pytest.mark.parametrize(
    "use",
    [fnet_mlflow.load_model, fnet_mlflow.verify_model, resolve_model],
    ids=lambda f: f.__name__,
)
def test_a_name_without_a_version_is_refused_with_the_ways_to_say_one(
    register: Callable, use: Callable, uri: str
):
    register()
    with pytest.raises(ModelError, match=r"/1, models:/fnet@?@champion or .*/latest\. Received: "):
        use(uri)


def test_the_command_line_says_it_in_one_line(
    register: Callable, capsys: pytest.CaptureFixture[str]
):
    register()
    assert main(["verify", "models:/fnet"]) == 2
    assert capsys.readouterr().err.splitlines()[-1].endswith("Received: models:/fnet")


@pytest.mark.parametrize("uri", ["models:/fnet@champion", "models:/fnet/latest", "models:/fnet/1"])
def test_a_job_is_pinned_to_the_version_that_its_model_means_now(register: Callable, uri: str):
    register(alias="champion")
    pinned = ModelUri.parse(resolve_model(uri).uri)
    assert pinned == ModelUri(name="fnet", version=1)
    [logged] = mlflow.search_logged_models(output_format="list")
    for each in (pinned, ModelUri.parse(uri), ModelUri(model_id=logged.model_id)):
        stored = look_up(each)
        assert stored is not None
        assert stored.model_id == logged.model_id


def test_what_is_no_version_is_looked_up_nowhere(registry: Path):
    assert look_up(ModelUri.parse(str(registry))) is None
