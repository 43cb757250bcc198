"""What is shipped: a wheel and an sdist that work by themselves."""

import os
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

pytestmark = pytest.mark.system

ROOT = Path(__file__).parents[1]
PACKAGES = ("fnet_cli", "fnet_registry", "fnet_mlflow", "fnet_ray", "fnet_evaluate", "fnet_tune")


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist, and the wheel that was built from it."""
    folder = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def python(distributions: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An interpreter that has the wheel and all it needs, but not this checkout."""
    folder = tmp_path_factory.mktemp("fresh")
    venv.create(folder, symlinks=True)
    (site,) = folder.glob("lib/python*/site-packages")
    with zipfile.ZipFile(next(distributions.glob("*.whl"))) as wheel:
        wheel.extractall(site)
    # A path's own .pth files, which name this checkout, are not read.
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    return folder / "bin" / "python"


def test_the_wheel_holds_the_packages_with_their_types_and_licence(distributions: Path) -> None:
    with zipfile.ZipFile(next(distributions.glob("*.whl"))) as wheel:
        names = wheel.namelist()
        (metadata,) = (wheel.read(name).decode() for name in names if name.endswith("/METADATA"))
    assert {f"{package}/py.typed" for package in PACKAGES} <= set(names)
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == set(PACKAGES)
    template = "fnet_ray/reporting/template"
    assert {f"{template}/page.{kind}" for kind in ("html.jinja", "css", "js")} <= set(names)
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert "License-Expression: Apache-2.0" in metadata
    assert "Project-URL: Homepage" in metadata


def test_the_sdist_holds_what_is_needed_to_test_it(distributions: Path) -> None:
    with tarfile.open(next(distributions.glob("*.tar.gz"))) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    assert {"tests/conftest.py", "constraints.txt", "Makefile", "LICENSE"} <= names
    assert "tests/data/kerashub/model.weights.h5" in names
    assert not any(name.startswith((".git/", ".venv")) for name in names)


def test_the_wheel_registers_and_embeds_by_itself(
    python: Path, preset_folder: Path, tmp_path: Path
) -> None:
    pq.write_table(pa.table({"text": ["one", "two"]}), tmp_path / "corpus.parquet")
    environment = {
        **{key: value for key, value in os.environ.items() if key != "PYTHONPATH"},
        "MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path}/mlflow.db",
    }
    program = "import sys; from fnet_cli.main import main; sys.exit(main(sys.argv[1:]))"
    for arguments in (
        ["register", str(preset_folder), "--name", "fnet"],
        ["embed", "models:/fnet/1", "corpus.parquet", "out"],
    ):
        command = [str(python), "-c", program, *arguments]
        subprocess.run(command, check=True, cwd=tmp_path, env=environment, capture_output=True)
    assert pq.read_table(tmp_path / "out" / "embeddings").num_rows == 2


CHECKERS = {
    "pyright": ["--pythonpath", "{python}"],
    "mypy": ["--python-executable", "{python}", "--follow-imports=silent"],
}


@pytest.mark.parametrize("checker", CHECKERS)
def test_type_checkers_see_the_installed_types(checker: str, python: Path, tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        "import fnet_evaluate, fnet_mlflow, fnet_ray, fnet_registry\n"
        "reveal_type(fnet_registry.TextEncoder.from_preset('f_net_base_en').dim)\n"
        "reveal_type(fnet_mlflow.register_preset('f_net_base_en', 'fnet').version)\n"
        "reveal_type(fnet_ray.read_status('out').rows)\n"
        "reveal_type(fnet_evaluate.evaluate('f_net_base_en', 'data.csv')[0].count)\n"
    )
    options = [option.format(python=python) for option in CHECKERS[checker]]
    command = [str(Path(sys.executable).parent / checker), *options, str(program)]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    revealed = [line for line in result.stdout.splitlines() if "int" in line and "program" in line]
    assert len(revealed) == 4, result.stdout + result.stderr
    assert result.returncode == 0, result.stdout
