"""What a job is asked for, and what outputs of earlier releases were asked for."""

import shutil
from pathlib import Path

import pytest

import fnet_ray
from fnet_ray.options import Parameters
from fnet_ray.output.manifest import Manifest
from fnet_ray.output.stores import open_store
from fnet_registry.errors import JobError, OutputError

STORED = Path(__file__).parent / "stored"


@pytest.mark.parametrize("name", ["", "source_file", "source_row", "window", "start", "end"])
def test_the_column_of_vectors_has_a_name_of_its_own(name: str) -> None:
    with pytest.raises(JobError, match=f"a name of its own, .* Received: '{name}'"):
        Parameters(output_column=name)


class TestAnOutputOfAnEarlierRelease:
    """One that knew no options of the shape of inputs and outputs."""

    @pytest.fixture
    def output(self, tmp_path: Path) -> Path:
        return Path(shutil.copytree(STORED / "format-2", tmp_path / "out"))

    def test_it_was_asked_for_what_is_usual(self, output: Path) -> None:
        manifest = Manifest.read(open_store(output))
        assert manifest
        asked = Parameters(id_column="id", keep=["id", "text"])
        assert manifest.parameters == asked
        manifest.check_same(model=manifest.model, digest=manifest.digest, parameters=asked)
        with pytest.raises(OutputError, match=r"begun with output_column='embedding'"):
            other = Parameters(id_column="id", keep=["id", "text"], output_column="vector")
            manifest.check_same(model=manifest.model, digest=manifest.digest, parameters=other)

    def test_it_is_whole_and_can_be_searched(self, output: Path) -> None:
        status = fnet_ray.read_status(output, check=True)
        assert (status.state, status.done, status.damage) == ("finished", 3, {})
        [[first, _]] = fnet_ray.search(output, "the quick brown fox").results()
        assert (first["id"], first["text"]) == ("a", "the quick brown fox")
