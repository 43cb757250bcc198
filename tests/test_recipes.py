"""CONTRIBUTING's recipes: a toy of each kind is added to a copy, by the files named there alone."""

import os
import subprocess
import sys
from pathlib import Path
from shutil import copytree, ignore_patterns

import numpy as np
import pytest

from fnet_registry import TextEncoder
from fnet_registry.presets.checkpoint import read_checkpoint

ROOT = Path(__file__).parents[1]
TOYS = Path(__file__).with_name("recipes")
ENCODING, PRESETS = "fnet_registry/encoding", "fnet_registry/presets"
CORPUS, EVALUATE = "pipelines/fnet_ray/corpus", "pipelines/fnet_evaluate"


class Copy:
    """A copy of the packages, to be changed and run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("fnet_cli", "fnet_registry", "flavors", "pipelines"):
            copytree(ROOT / name, folder / name, ignore=ignore_patterns("__pycache__"))

    def add(self, name: str, toy: str) -> None:
        (self.folder / name).write_bytes((TOYS / toy).read_bytes())

    def change(self, name: str, *changes: tuple[str, str]) -> None:
        text = (self.folder / name).read_text()
        for before, after in changes:
            assert text.count(before) == 1, before
            text = text.replace(before, after)
        (self.folder / name).write_text(text)

    def run(self, program: str, **environment: str) -> str:
        paths = (self.folder / name for name in (".", "flavors", "pipelines"))
        result = subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths)), **environment},
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.returncode == 0, result.stderr
        return result.stdout


@pytest.fixture
def copy(tmp_path: Path) -> Copy:
    return Copy(tmp_path)


def test_a_pooling(copy: Copy, preset_folder: Path, encoder: TextEncoder) -> None:
    copy.change(
        f"{ENCODING}/pooling.py",
        ('Literal["mean", "cls", "pooled"]', 'Literal["mean", "cls", "pooled", "negated"]'),
        (
            "\n\nPOOLINGS",
            "\n\ndef negated(engine, token_ids, lengths):\n"
            "    return -engine.mean_outputs(token_ids, lengths)\n\n\nPOOLINGS",
        ),
        ('    "mean": mean,\n', '    "mean": mean,\n    "negated": negated,\n'),
    )
    program = (
        "from fnet_registry import TextEncoder\nfrom fnet_cli.main import main\n"
        f"encoder = TextEncoder.from_preset({str(preset_folder)!r}, pooling='negated')\n"
        "encoder.encode(['a text']).tofile('vector')\n"
        "main(['register', '--help'])"
    )
    assert "negated" in copy.run(program)
    expected = -encoder.encode(["a text"])[0]
    assert np.array_equal(np.fromfile(copy.folder / "vector", "f4"), expected)


def test_an_encoding_option(copy: Copy, preset_folder: Path, encoder: TextEncoder) -> None:
    copy.change(
        f"{ENCODING}/config.py",
        ("    normalize: bool = False\n", "    normalize: bool = False\n    scale: float = 1.0\n"),
        ("    normalize: bool | None\n", "    normalize: bool | None\n    scale: float | None\n"),
        ('    "pooling": {', '    "scale": {"type": float, "help": "a factor"},\n    "pooling": {'),
    )
    copy.change(
        f"{ENCODING}/encoder.py",
        (
            "        return vectors.numpy()",
            "        vectors *= self.config.scale\n        return vectors.numpy()",
        ),
    )
    program = (
        "import mlflow\nfrom fnet_cli.main import main\n"
        f"main(['register', {str(preset_folder)!r}, '--name', 'fnet', '--scale', '2'])\n"
        "mlflow.pyfunc.load_model('models:/fnet/1').predict(['a text']).tofile('vector')"
    )
    copy.run(program, MLFLOW_TRACKING_URI=f"sqlite:///{copy.folder}/mlflow.db")
    expected = 2 * encoder.encode(["a text"])[0]
    assert np.array_equal(np.fromfile(copy.folder / "vector", "f4"), expected)


def test_a_foreign_format(copy: Copy, preset_folder: Path) -> None:
    copy.add(f"{PRESETS}/formats/toy.py", "toy_format.py")
    copy.change(
        f"{PRESETS}/formats/__init__.py",
        (
            "from fnet_registry.presets.formats.transformers import TRANSFORMERS\n",
            "from fnet_registry.presets.formats.toy import TOY\n"
            "from fnet_registry.presets.formats.transformers import TRANSFORMERS\n",
        ),
        ("(KERASHUB, TRANSFORMERS)", "(KERASHUB, TRANSFORMERS, TOY)"),
    )
    checkpoint = read_checkpoint(preset_folder)
    preset = copy.folder / "preset"
    preset.mkdir()
    (preset / "config.json").write_text(
        f'{{"toy": {checkpoint.config.to_dict()}}}'.replace("'", '"')
    )
    (preset / "spiece.model").write_bytes(checkpoint.tokenizer_proto or b"")
    np.savez(preset / "toy.npz", **checkpoint.arrays)  # pyright: ignore[reportArgumentType]
    copy.run("from fnet_cli.main import main\nassert main(['convert', 'preset', 'converted']) == 0")
    converted = read_checkpoint(copy.folder / "converted")
    assert converted.config == checkpoint.config
    assert all(np.array_equal(converted.arrays[n], a) for n, a in checkpoint.arrays.items())


def test_a_hub(copy: Copy, preset_folder: Path) -> None:
    copy.add(f"{PRESETS}/handles/toy.py", "toy_hub_handle.py")
    copy.add(f"{PRESETS}/hub/toy.py", "toy_hub_client.py")
    copy.change(
        f"{PRESETS}/handles/__init__.py",
        ("(KaggleHandle, HuggingFaceHandle)", "(KaggleHandle, HuggingFaceHandle, ToyHandle)"),
        (
            "import KaggleHandle\n",
            "import KaggleHandle\nfrom fnet_registry.presets.handles.toy import ToyHandle\n",
        ),
    )
    copytree(preset_folder, copy.folder / "hub" / "someone" / "mini")
    program = (
        "from fnet_registry.presets.fetch import fetch\n"
        "from fnet_registry import TextEncoder\n"
        "print(fetch('toy://someone/mini').handle)\n"
        "print(TextEncoder.from_preset('toy://someone/mini').encode(['a text']).shape)"
    )
    printed = copy.run(
        program, TOY_HUB=str(copy.folder / "hub"), TOY_CACHE=str(copy.folder / "cache")
    )
    assert printed.splitlines() == ["toy://someone/mini@1", "(1, 32)"]


def test_a_kind_of_data(copy: Copy, preset_folder: Path) -> None:
    copy.add(f"{EVALUATE}/kinds/numbered.py", "toy_kind.py")
    copy.change(
        f"{EVALUATE}/kinds/__init__.py",
        (
            "import LABELS\n",
            "import LABELS\nfrom fnet_evaluate.kinds.numbered import NUMBERED_KIND\n",
        ),
        ("(SCORED_PAIRS, RETRIEVAL, ", "(NUMBERED_KIND, SCORED_PAIRS, RETRIEVAL, "),
    )
    copy.change(
        f"{EVALUATE}/data/shapes.py",
        (
            "\nSHAPES = (",
            '\nNUMBERED = Shape(name="numbered", columns={"text": texts, "number": numbers})\n'
            "SHAPES = (NUMBERED, ",
        ),
    )
    (copy.folder / "data.csv").write_text("text,number\na,0\nb,1000000\n")
    program = (
        "from fnet_cli.main import main\n"
        f"main(['evaluate', {str(preset_folder)!r}, '--data', 'data.csv'])"
    )
    assert copy.run(program).splitlines()[-1].split()[0] == "longer"


@pytest.mark.system
def test_an_input_format(copy: Copy, preset_folder: Path) -> None:
    copy.add(f"{CORPUS}/readers/semicolons.py", "toy_reader.py")
    copy.change(
        f"{CORPUS}/formats.py",
        (
            "import delimited, json_lines, text_lines",
            "import delimited, json_lines, semicolons, text_lines",
        ),
        (
            "FORMATS = [\n",
            'FORMATS = [\n    Format(name="semi", endings=(".semi",), read=semicolons.read),\n',
        ),
    )
    (copy.folder / "corpus.semi").write_text("one;two;three")
    program = (
        "import fnet_ray\n"
        f"report = fnet_ray.embed({str(preset_folder)!r}, 'corpus.semi', 'out', tracking=False)\n"
        "print(report.embedded)"
    )
    assert copy.run(program).split()[-1] == "3"
