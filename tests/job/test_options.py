"""What a job is asked for, and what outputs of earlier releases were asked for."""

import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import fnet_ray
from fnet_ray.options import Parameters
from fnet_ray.output.manifest import Manifest
from fnet_ray.output.stores import open_store
from fnet_registry.errors import JobError, OutputError

STORED = Path(__file__).parent / "stored"


PLACES = ["source_file", "source_row", "window", "start", "end"]


@pytest.mark.parametrize("name", ["", *PLACES, "\udcff", "a\0b", 8])
def test_the_column_of_vectors_has_a_name_of_its_own(name: Any) -> None:
    with pytest.raises(JobError, match=rf"a name of its own, .* Received: {re.escape(repr(name))}"):
        Parameters(output_column=name)


@pytest.mark.parametrize("name", ["klingon", "rot13", "hex", "", "a\0b", 8])
def test_an_encoding_is_one_that_is_known(name: Any) -> None:
    with pytest.raises(JobError, match=r"that Python knows, such as utf-16 .* Received: "):
        Parameters(encoding=name)


def test_an_encoding_has_one_name() -> None:
    assert Parameters(encoding="UTF8") == Parameters()
    assert Parameters(encoding="latin-1") == Parameters(encoding="ISO-8859-1")


@pytest.mark.parametrize("delimiter", ["", ";;", "é", '"', "\n", "\0"])
def test_a_delimiter_is_one_character(delimiter: str) -> None:
    with pytest.raises(JobError, match=r"one ASCII character, such as .* Received: "):
        Parameters(delimiter=delimiter)


@pytest.mark.parametrize("header", [[], ["a", ""], ["a", "b", "a"], "abc"], ids=str)
def test_a_header_names_each_column_once(header: Any) -> None:
    with pytest.raises(JobError, match=r"one name for each column, each once, .* Received: "):
        Parameters(header=header)


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
        other = replace(asked, output_column="vector")
        with pytest.raises(OutputError, match=r"begun with output_column='embedding'"):
            manifest.check_same(model=manifest.model, digest=manifest.digest, parameters=other)

    def test_it_is_whole_and_can_be_searched(self, output: Path) -> None:
        status = fnet_ray.read_status(output, check=True)
        assert (status.state, status.done, status.damage) == ("finished", 3, {})
        [[first, _]] = fnet_ray.search(output, "the quick brown fox").results()
        assert (first["id"], first["text"]) == ("a", "the quick brown fox")
