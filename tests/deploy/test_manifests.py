"""deploy/ and what a release is made of, against schemas that are kept here and each other."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator, Draft202012Validator

import fnet_registry
from fnet_cli.main import main

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
RAYJOBS = sorted(DEPLOY.glob("rayjob-*.yaml"))
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
DOCKERFILE = (DEPLOY / "Dockerfile").read_text()


def schema(name: str) -> dict[str, Any]:
    return json.loads((Path(__file__).parent / "schemas" / f"{name}.json").read_text())


def closed(node: Any) -> Any:
    """Kubernetes' API server refuses fields that it does not know; JSON Schema lets them pass."""
    if isinstance(node, list):
        return [closed(each) for each in node]
    if not isinstance(node, dict):
        return node
    node = {name: closed(each) for name, each in node.items()}
    if node.get("type") == "object" and "properties" in node:
        node.setdefault("additionalProperties", False)
    if node.pop("x-kubernetes-int-or-string", False):
        node["type"] = ["integer", "string"]
    return node


def rayjob(path: Path) -> dict[str, Any]:
    [found] = [each for each in yaml.safe_load_all(path.read_text()) if each["kind"] == "RayJob"]
    return found


def mistakes(job: dict[str, Any]) -> list[str]:
    # metadata is Kubernetes' own and not in the schema
    job = {**job, "metadata": {}}
    validator = Draft202012Validator(closed(schema("rayjob")))
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(job)]


def pods(job: dict[str, Any]) -> Iterator[dict[str, Any]]:
    cluster = job["spec"]["rayClusterSpec"]
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        yield group["template"]["spec"]


@pytest.mark.parametrize("path", RAYJOBS, ids=lambda path: path.stem)
def test_a_rayjob_is_what_kuberay_takes(path: Path) -> None:
    assert mistakes(rayjob(path)) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda spec: spec.update(entryPoint="x"), "'entryPoint' was unexpected"),
        (lambda spec: spec.update(backoffLimit="2"), "is not of type 'integer'"),
        (lambda spec: spec["rayClusterSpec"].pop("headGroupSpec"), "is a required property"),
        (lambda spec: spec["rayClusterSpec"]["authOptions"].update(mode="basic"), "is not one of"),
    ],
    ids=["unknown", "type", "missing", "choice"],
)
def test_the_schema_would_see_a_mistake(change: Any, words: str) -> None:
    job = rayjob(RAYJOBS[0])
    change(job["spec"])
    [mistake] = mistakes(job)
    assert words in mistake


@pytest.mark.parametrize("path", RAYJOBS, ids=lambda path: path.stem)
def test_a_rayjob_asks_for_tokens_and_gpus_and_runs_a_command_of_ours(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    job = rayjob(path)
    cluster = job["spec"]["rayClusterSpec"]
    assert cluster["authOptions"] == {"mode": "token"}
    [worker] = cluster["workerGroupSpecs"]
    [container] = worker["template"]["spec"]["containers"]
    assert container["resources"]["limits"]["nvidia.com/gpu"] == "1"
    program, command, *arguments = job["spec"]["entrypoint"].split()
    assert program == "fnet"
    with pytest.raises(SystemExit, match="0"):
        main([command, "--help"])
    offered = capsys.readouterr().out
    assert all(each in offered for each in arguments if each.startswith("--"))


@pytest.mark.parametrize("path", RAYJOBS, ids=lambda path: path.stem)
def test_cluster_image_and_project_are_of_the_same_versions(path: Path) -> None:
    job = rayjob(path)
    ray = version("ray")
    assert job["spec"]["rayClusterSpec"]["rayVersion"] == ray
    assert f"FROM rayproject/ray:{ray}-" in DOCKERFILE
    [image] = {container["image"] for pod in pods(job) for container in pod["containers"]}
    assert image.endswith(f"fnet-registry:{fnet_registry.__version__}")
    assert image in DOCKERFILE


def test_the_compose_file_is_what_compose_takes() -> None:
    found = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    errors = Draft7Validator(schema("compose-spec")).iter_errors(found)
    assert [f"{error.json_path}: {error.message}" for error in errors] == []


def test_the_compose_file_publishes_nothing_beyond_this_machine_and_holds_no_password() -> None:
    text = (DEPLOY / "compose.yaml").read_text()
    services = yaml.safe_load(text)["services"]
    ports = [port for service in services.values() for port in service.get("ports", [])]
    assert ports == ["127.0.0.1:5000:5000"]
    secrets = re.findall(r"(?:PASSWORD|_KEY|ACCESS_KEY_ID): (\S+)", text)
    assert secrets
    assert all(secret.startswith("${") for secret in secrets)


def test_the_compose_file_installs_the_versions_that_are_tested() -> None:
    pins = set((ROOT / "constraints.txt").read_text().split())
    build = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]["mlflow"]["build"]
    installed = re.findall(r"\S+==\S+", build["dockerfile_inline"])
    assert len(installed) == 3
    assert set(installed) <= pins


def test_the_citation_is_of_this_version_and_its_schema() -> None:
    found = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    errors = Draft7Validator(schema("citation")).iter_errors(found)
    assert [f"{error.json_path}: {error.message}" for error in errors] == []
    assert found["version"] == fnet_registry.__version__


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_grants_little_and_pins_what_it_runs(path: Path) -> None:
    text = path.read_text()
    workflow = yaml.safe_load(text)
    assert workflow["permissions"] == {"contents": "read"}
    actions = re.findall(r"uses: (\S+)", text)
    loose = [each for each in actions if not re.search(r"@[0-9a-f]{40}$|^\./", each)]
    assert loose in ([], ["pypa/gh-action-pypi-publish@release/v1"])


def test_workflows_test_each_python_that_the_project_says_it_supports() -> None:
    project = (ROOT / "pyproject.toml").read_text()
    supported = re.findall(r"Python :: (3\.\d+)\"", project)
    tested = yaml.safe_load((ROOT / ".github/workflows/test.yml").read_text())["jobs"]["test"]
    assert tested["strategy"]["matrix"]["python"] == supported


@pytest.mark.skipif(shutil.which("actionlint") is None, reason="actionlint is not installed")
def test_actionlint_accepts_the_workflows() -> None:
    command = ["actionlint", "-no-color", *map(str, WORKFLOWS)]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (finished.returncode, finished.stdout) == (0, "")
