"""The commands `fnet register`, `fnet models` and `fnet verify`."""

import json
from collections.abc import Callable
from pathlib import Path

import mlflow
import pytest

from fnet_cli.main import main
from tests.flavor.test_loading import record_other_vectors


def test_register_verify_and_list(
    registry: Path, preset_folder: Path, capsys: pytest.CaptureFixture[str]
):
    arguments = [
        "--name",
        "fnet",
        "--alias",
        "champion",
        "--sequence-length",
        "32",
        "--tag",
        "a=b=c",
    ]
    assert main(["register", str(preset_folder), *arguments]) == 0
    assert capsys.readouterr().out == (
        "models:/fnet/1 registered: 44,992 parameters, 32 dimensions, mean pooling over 32 tokens\n"
    )
    assert mlflow.MlflowClient().get_model_version("fnet", "1").tags["a"] == "b=c"

    assert main(["register", str(preset_folder), *arguments]) == 0
    assert capsys.readouterr().out.startswith("models:/fnet/1 holds this already")

    assert main(["verify", "models:/fnet@champion", "--dtype", "bfloat16"]) == 0
    assert "computes the same: 8 probe texts on cpu in bfloat16" in capsys.readouterr().out

    assert main(["models"]) == 0
    header, line = capsys.readouterr().out.splitlines()
    assert header.split() == [
        *("MODEL", "ALIASES", "ENCODING", "DIM", "PARAMETERS", "WEIGHTS", "EVALUATED", "HANDLE")
    ]
    assert line.split() == [
        *("models:/fnet/1", "champion", "mean/32", "32", "44,992", "0.2", "MB", "-"),
        str(preset_folder),
    ]


def test_a_pooling_that_the_model_lacks_is_refused_in_one_line(
    registry: Path, poolerless_folder: Path, capsys: pytest.CaptureFixture[str]
):
    arguments = ["register", str(poolerless_folder), "--name", "fnet", "--pooling"]
    assert main([*arguments, "pooled"]) == 2
    errors = capsys.readouterr().err.splitlines()
    assert [line for line in errors if line.startswith("fnet: error:")] == [
        "fnet: error: `pooling` must be 'mean' or 'cls' for a model without a pooler."
        " Received: 'pooled'"
    ]
    assert main([*arguments, "cls"]) == 0
    assert "43,936 parameters" in capsys.readouterr().out


def test_figures_are_json_alone_on_stdout(
    registry: Path, preset_folder: Path, capsys: pytest.CaptureFixture[str]
):
    def told(*arguments: str, status: int = 0):
        assert main([*arguments, "--json"]) == status
        return json.loads(capsys.readouterr().out)

    assert told("models") == []
    made = told("register", str(preset_folder), "--name", "fnet", "--buckets", "8,16")
    assert (made["model_uri"], made["created"]) == ("models:/fnet/1", True)
    assert made["metadata"]["sequence_length"] == 16
    [entry] = told("models", "models:/fnet")
    assert (entry["model_uri"], entry["parameter_count"]) == ("models:/fnet/1", 44_992)
    report = told("verify", "models:/fnet/1")
    assert report["passed"]
    assert report["texts"] == 8
    Path("presets.toml").write_text(
        f"preset = [{{ handle = '{preset_folder}' }}, {{ handle = './nowhere' }}]"
    )
    good, bad = told("register", "--from", "presets.toml", status=1)
    assert good["model_uri"] == "models:/kerashub/1"
    assert bad["error"].startswith("Unknown preset handle")


def test_a_version_without_a_name_has_the_presets(
    registry: Path, preset_folder: Path, capsys: pytest.CaptureFixture[str]
):
    assert main(["register", str(preset_folder), "--pooling", "pooled"]) == 0
    assert capsys.readouterr().out == (
        "models:/kerashub/1 registered: 44,992 parameters, 32 dimensions, "
        "the pooler's output over 64 tokens\n"
    )


def test_verify_fails_with_status_1(model_copy: Path, capsys: pytest.CaptureFixture[str]):
    record_other_vectors(model_copy)
    assert main(["verify", str(model_copy)]) == 1
    assert "DIFFERS" in capsys.readouterr().out


def test_no_models(registry: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["models"]) == 0
    assert "make one with: fnet register" in capsys.readouterr().out


def test_models_of_others_are_left_out(registry: Path, capsys: pytest.CaptureFixture[str]):
    mlflow.MlflowClient().create_registered_model("other")
    mlflow.MlflowClient().create_model_version("other", source=str(registry / "artifacts"))
    assert main(["models"]) == 0
    assert "other" not in capsys.readouterr().out


def test_a_file_of_presets_goes_on_after_a_failure(
    registry: Path, preset_folder: Path, capsys: pytest.CaptureFixture[str]
):
    Path("presets.toml").write_text(
        f"""
        [[preset]]
        handle = "{preset_folder}"
        name = "fnet"
        alias = "champion"
        tags = {{ team = "search" }}

        [[preset]]
        handle = "./nowhere"
        name = "fnet"

        [[preset]]
        handle = "{preset_folder}"
        name = "fnet"
        sequence_length = 16
        pooling = "cls"
        normalize = true
        dtype = "bfloat16"

        [[preset]]
        handle = "{preset_folder}"
        name = "fnet"
        sequence_length = "many"
        """
    )
    assert main(["register", "--from", "presets.toml"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert "models:/fnet/1  registered" in lines[1]
    assert "failed: Unknown preset handle" in lines[2]
    assert "models:/fnet/2  registered" in lines[3]
    assert "cls pooling over 16 tokens" in lines[3]
    assert "failed: `sequence_length` must be an integer" in lines[4]

    only_good = Path("presets.toml").read_text().replace("./nowhere", str(preset_folder))
    only_good = only_good.replace('"many"', "32")
    Path("presets.toml").write_text(only_good)
    assert main(["register", "--from", "presets.toml"]) == 0


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("handle = 'x'", "a TOML file of [[preset]]"),
        ("[[preset]\n", "a TOML file of [[preset]]"),
        ("", "a TOML file of [[preset]]"),
        ("[[preset]]\nname = 'x'", "handle = 'f_net_base_en' and name = 'fnet'"),
        ("[[preset]]\nname = 'x'", "Received: {'name': 'x'} in presets.toml, preset 1"),
        ("[[preset]]\nhandle = 'x'\nname = 'x'\nsize = 3", "'size' in presets.toml, preset 1"),
        ("x = " + "[" * 10_000, "a TOML file of [[preset]]"),
        ("preset = ['x']", "Received: 'x' in presets.toml, preset 1"),
        ("[[preset]]\nhandle = 'x'\nname = 3", "`name` must be of type str. Received: 3"),
    ],
)
def test_a_file_that_says_something_else(
    registry: Path, capsys: pytest.CaptureFixture[str], content: str, words: str
):
    Path("presets.toml").write_text(content)
    assert main(["register", "--from", "presets.toml"]) == 2
    assert words in one_line(capsys)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["register", "nowhere", "--name", "fnet"], "No such folder"),
        (["register", ".", "--name", "fnet"], "must hold `config.json`"),
        (["register"], "Expected a handle and --name"),
        (["register", "--from", "nowhere.toml"], "nowhere.toml"),
        (
            ["register", "x", "--from", "presets.toml"],
            "Received beside it: handle x",
        ),
        (["register", "--from", "presets.toml", "--force"], "Received beside it: force True"),
        (["register", ".", "--name", "fnet", "--tag", "team"], "A tag is written key=value"),
        (["register", "--from", "presets.toml", "--tag", "a=b"], "Received beside it: tags"),
        (["verify", "models:/fnet/1"], "Registered Model with name=fnet not found"),
        (["verify", "."], "Expected an MLflow model"),
        (["models", "fnet"], "Registered Model with name=fnet not found"),
    ],
)
def test_a_users_mistake_is_one_line_and_status_2(
    registry: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
):
    assert main(arguments) == 2
    assert words in one_line(capsys)


def one_line(capsys: pytest.CaptureFixture[str]) -> str:
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("fnet:")]
    assert len(lines) == 1
    return lines[0]


def test_a_device_that_torch_lacks_is_one_line(
    register: Callable, capsys: pytest.CaptureFixture[str]
):
    register()
    capsys.readouterr()
    assert main(["verify", "models:/fnet/1", "--device", "bogus"]) == 2
    assert "`device` must be one that torch can use here" in one_line(capsys)
