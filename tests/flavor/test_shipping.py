"""Which code loads a model: what is installed where that reads its format, else the model's own."""

import json
import os
import shutil
import subprocess
import sys
import venv
from importlib.metadata import distribution
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest
from mlflow.models import Model
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import fnet_mlflow
import fnet_registry
from fnet_mlflow.content.version import FORMAT_VERSION
from fnet_mlflow.fnet_loader import SHIPPED
from fnet_mlflow.saving.requirements import SERVING
from fnet_mlflow.saving.shipping import _pack_packages
from fnet_registry import TextEncoder
from tests.programs import run_program

ROOT = Path(__file__).parents[2]

LOAD = """
import sys, mlflow, numpy
for uri in sys.argv[2:]:
    vectors = mlflow.pyfunc.load_model(uri).predict(["a text"])
import fnet_mlflow, fnet_registry
numpy.save(sys.argv[1], vectors)
print(fnet_mlflow.__file__, fnet_registry.__file__, sep="\\n")
"""


@pytest.fixture(scope="session")
def bare_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An interpreter with what a model's requirements state, and what that needs, alone."""
    folder = tmp_path_factory.mktemp("bare")
    venv.create(folder, symlinks=True, with_pip=False)
    (target,) = (folder / "lib").glob("python*/site-packages")
    for name in closure({"pip", *SERVING}):
        for file in distribution(name).files or ():
            top = Path(file.parts[0])
            if top.name not in {"..", "__pycache__"} and not (target / top).exists():
                (target / top).symlink_to(distribution(name).locate_file(top))
    return folder / "bin" / "python"


def closure(names: set[str]) -> set[str]:
    """Distributions with all that they require here."""
    found: set[str] = set()
    while names:
        name = names.pop()
        if name in found:
            continue
        found.add(name)
        for line in distribution(name).requires or ():
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                names.add(canonicalize_name(requirement.name))
    return found


def load(python: Path | str, folder: Path, *models: Path) -> tuple[list[str], np.ndarray]:
    """Loads models one after the other; gives the code's files and the last one's vectors."""
    command = [str(python), "-c", LOAD, str(folder / "v.npy"), *map(str, models)]
    variables = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    result = subprocess.run(
        command, cwd=folder, env=variables, capture_output=True, text=True, check=False
    )
    if result.returncode:
        raise RuntimeError(result.stderr)
    return result.stdout.split(), np.load(folder / "v.npy")


def raise_format(model: Path, version: int) -> None:
    """Makes a model of a later format, with shipped code that reads no other."""
    record = json.loads((model / "data" / "encoding.json").read_text())
    record["format_version"] = version
    (model / "data" / "encoding.json").write_text(json.dumps(record))
    numbers = {"format_version": version, "oldest_readable": version}
    (archive,) = (model / "code").glob(SHIPPED)
    with ZipFile(archive) as packed:
        content = {name: packed.read(name) for name in packed.namelist()}
    content["fnet_mlflow/format.json"] = json.dumps(numbers).encode()
    with ZipFile(archive, "w") as packed:
        for name, data in content.items():
            packed.writestr(name, data)


def test_the_shipped_code_serves_where_the_project_is_not_installed(
    bare_python: Path, saved_model: Path, encoder: TextEncoder, tmp_path: Path
):
    files, vectors = load(bare_python, tmp_path, saved_model)
    assert all(str(saved_model / "code") in file for file in files)
    np.testing.assert_array_equal(vectors, encoder.encode(["a text"]))


def test_the_installed_code_wins_where_it_reads_the_format(saved_model: Path, tmp_path: Path):
    files, _ = load(sys.executable, tmp_path, saved_model)
    assert all(str(ROOT) in file for file in files)


def test_the_shipped_code_wins_where_the_installed_does_not_read_the_format(
    model_copy: Path, encoder: TextEncoder, tmp_path: Path
):
    raise_format(model_copy, FORMAT_VERSION + 1)
    files, vectors = load(sys.executable, tmp_path, model_copy)
    assert all(str(model_copy / "code") in file for file in files)
    np.testing.assert_array_equal(vectors, encoder.encode(["a text"]))


def test_two_models_in_one_process_share_code_that_reads_both(
    bare_python: Path, saved_model: Path, model_copy: Path, tmp_path: Path
):
    files, _ = load(bare_python, tmp_path, saved_model, model_copy)
    assert all(str(saved_model / "code") in file for file in files)


def test_two_models_that_need_different_code_in_one_process_are_named(
    saved_model: Path, model_copy: Path, tmp_path: Path
):
    raise_format(model_copy, FORMAT_VERSION + 1)
    with pytest.raises(RuntimeError) as caught:
        load(sys.executable, tmp_path, saved_model, model_copy)
    message = str(caught.value).splitlines()[-1]
    assert f"needs code that reads format {FORMAT_VERSION + 1}" in message
    assert str(model_copy / "code") in message
    assert str(ROOT) in message


def test_nothing_shipped(
    registry: Path, preset_folder: Path, bare_python: Path, encoder: TextEncoder
):
    fnet_mlflow.save_model(preset_folder, "m", code_paths=[])
    assert not Path("m/code").exists()
    assert (
        f"fnet-registry[mlflow]=={fnet_mlflow.__version__}"
        in Path("m/requirements.txt").read_text()
    )
    _, vectors = load(sys.executable, registry, registry / "m")
    np.testing.assert_array_equal(vectors, encoder.encode(["a text"]))
    with pytest.raises(RuntimeError, match="No module named 'fnet_mlflow'"):
        load(bare_python, registry, registry / "m")


USE_OWN_CODE = """
import sys, mlflow, fnet_mlflow
load = {"native": fnet_mlflow.load_model, "pyfunc": mlflow.pyfunc.load_model}[sys.argv[1]]
load(sys.argv[2])
import cleaning, queries.stopwords
print(cleaning.__file__, queries.stopwords.__file__)
"""


@pytest.fixture
def model_with_own_code(registry: Path, preset_folder: Path) -> Path:
    """A model that ships a user's module and package, which then lie nowhere else."""
    (registry / "cleaning.py").write_text("")
    (registry / "queries").mkdir()
    for name in ("__init__.py", "stopwords.py"):
        (registry / "queries" / name).write_text("")
    fnet_mlflow.save_model(preset_folder, "m", code_paths=["cleaning.py", "queries"])
    (registry / "cleaning.py").unlink()
    shutil.rmtree(registry / "queries")
    return registry / "m"


@pytest.mark.parametrize("way", ["native", "pyfunc"])
def test_a_users_code_can_be_imported_once_the_model_is_loaded(
    model_with_own_code: Path, tmp_path: Path, way: str
):
    files = run_program(USE_OWN_CODE, way, str(model_with_own_code)).split()
    assert all(str(model_with_own_code / "code") in file for file in files)


def test_a_users_code_is_shipped_beside_the_packages(
    model_with_own_code: Path, bare_python: Path, encoder: TextEncoder, tmp_path: Path
):
    code = model_with_own_code / "code"
    assert Model.load(model_with_own_code).flavors["fnet"]["code"] == "code"
    assert {"cleaning.py", "queries", "fnet_loader.py"} < {path.name for path in code.iterdir()}
    assert "fnet-registry" not in (model_with_own_code / "requirements.txt").read_text()
    files, vectors = load(bare_python, tmp_path, model_with_own_code)
    assert all(str(code) in file for file in files)
    np.testing.assert_array_equal(vectors, encoder.encode(["a text"]))


def test_code_paths_that_are_no_list_are_refused(registry: Path, preset_folder: Path):
    with pytest.raises(TypeError, match="`code_paths` must be a list.*Received: 'cleaning.py'"):
        fnet_mlflow.save_model(preset_folder, "m", code_paths="cleaning.py")


def test_a_wheel_stands_for_the_packages(
    registry: Path, preset_folder: Path, bare_python: Path, encoder: TextEncoder
):
    wheel = build_wheel(registry)
    fnet_mlflow.save_model(preset_folder, "m", code_paths=[str(wheel)])
    assert sorted(path.name for path in Path("m/code").iterdir()) == ["fnet_loader.py", wheel.name]
    files, vectors = load(bare_python, registry, registry / "m")
    assert all(wheel.name in file for file in files)
    np.testing.assert_array_equal(vectors, encoder.encode(["a text"]))


def build_wheel(folder: Path) -> Path:
    """A wheel as hatchling lays it out: the packages at the top of a zip file."""
    content = folder / "content"
    ignore = shutil.ignore_patterns("__pycache__")
    for package in (ROOT / "fnet_registry", ROOT / "flavors" / "fnet_mlflow"):
        shutil.copytree(package, content / package.name, ignore=ignore)
    name = f"fnet_registry-{fnet_mlflow.__version__}-py3-none-any"
    return Path(shutil.make_archive(str(folder / name), "zip", content)).rename(
        folder / f"{name}.whl"
    )


def test_a_model_is_few_files(saved_model: Path):
    assert len([path for path in saved_model.rglob("*") if path.is_file()]) < 20


def test_code_is_packed_wherever_it_lies_and_however_old_it_is_said_to_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for package in (fnet_registry, fnet_mlflow):
        home = tmp_path / "packaged" / package.__name__
        (home / "packaged").mkdir(parents=True)
        for name in ("__init__.py", "packaged/weights.h5"):
            (home / name).write_text("")
            os.utime(home / name, (0, 0))  # as some stores date all their files
        monkeypatch.setattr(package, "__path__", [str(home)])
    names = ZipFile(_pack_packages(tmp_path)).namelist()
    assert sorted(names) == ["fnet_mlflow/__init__.py", "fnet_registry/__init__.py"]
