"""Files are whole or not there, and a full disk is said in one way."""

import resource
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from fnet_registry.presets.whole_file import write_file


def test_a_file_that_does_not_fit_leaves_the_one_before(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    path.write_text("before")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))  # as on a disk that is full
    try:
        with pytest.raises(OSError, match=r"weights.safetensors could not be written: .*large"):
            write_file(path, lambda target: save_file({"a": np.zeros(1000)}, target))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]
