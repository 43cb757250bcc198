"""`docs/mteb.md`: its wrapper does what mteb asks for, and mteb itself takes it."""

import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch.utils.data import DataLoader

from fnet_mlflow import register_preset
from fnet_registry import TextEncoder

PAGE = (Path(__file__).parents[2] / "docs" / "mteb.md").read_text()
WRAPPER, TASK = (
    re.findall(f"^```{kind}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)[0]
    for kind in ("python", 'python title="needs mteb"')
)
TEXTS = ["a text", "another one", "", "a text", "rain falls"]


@pytest.fixture
def names(registry: Path, preset_folder: Path) -> dict[str, Any]:
    """The names that the page's first block leaves."""
    register_preset(preset_folder, "fnet")
    found: dict[str, Any] = {}
    exec(WRAPPER, found)
    return found


def loader() -> DataLoader:
    """Texts as mteb hands them on: dictionaries of lists."""
    return DataLoader([{"text": text, "id": "1"} for text in TEXTS], batch_size=2)  # type: ignore


def test_the_wrapper_encodes_as_the_version_does(
    names: dict[str, Any], encoder: TextEncoder
) -> None:
    model = names["model"]
    vectors = model.encode(
        loader(), task_metadata=None, hf_split="test", hf_subset="default", batch_size=2
    )
    np.testing.assert_array_equal(vectors, encoder.encode(TEXTS, normalize=True))
    assert model.similarity(vectors, vectors[:2]).shape == (5, 2)
    np.testing.assert_allclose(model.similarity_pairwise(vectors, vectors), np.ones(5), rtol=1e-6)
    np.testing.assert_allclose(model.similarity(vectors[0], vectors[3]), [[1.0]], rtol=1e-6)


@pytest.mark.skipif(find_spec("mteb") is None, reason="mteb is not here")
@pytest.mark.filterwarnings("default")
def test_mteb_takes_the_wrapper_and_runs_a_task(
    names: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    from mteb.models import EncoderProtocol

    assert isinstance(names["model"], EncoderProtocol)
    exec(TASK, names)
    assert -1 <= float(capsys.readouterr().out.split()[-1]) <= 1
    assert names["result"].model_revision == "1"
