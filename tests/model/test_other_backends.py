"""The layers are written in `keras.ops`: other backends give what torch gives."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fnet_registry import FNetBackbone, TextEncoder

ON_JAX = """
import sys
import numpy as np
from fnet_registry import FNetBackbone, FNetTokenizer, TextEncoder
from fnet_registry.model.keras_backend import keras

folder, inputs, outputs = sys.argv[1:]
assert keras.config.backend() == "jax"
backbone = FNetBackbone.from_preset(folder)
with np.load(inputs) as given:
    result = backbone.predict(dict(given), verbose=0)
encoder = TextEncoder(backbone, FNetTokenizer.from_preset(folder), sequence_length=16)
np.savez(outputs, vectors=encoder.encode(["a fox", "two foxes"]), **result)
"""


@pytest.mark.jax
def test_jax_gives_the_outputs_of_torch(preset_folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("jax", reason="JAX is not installed")
    generator = np.random.default_rng(0)
    given = {
        "token_ids": generator.integers(1000, size=(3, 64), dtype="int32"),
        "segment_ids": generator.integers(2, size=(3, 64), dtype="int32"),
    }
    np.savez(tmp_path / "inputs.npz", **given)
    subprocess.run(
        [
            sys.executable,
            "-c",
            ON_JAX,
            preset_folder,
            tmp_path / "inputs.npz",
            tmp_path / "out.npz",
        ],
        env={**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"},
        check=True,
    )
    expected = FNetBackbone.from_preset(preset_folder).predict(given, verbose=0)
    encoder = TextEncoder.from_preset(preset_folder, sequence_length=16)
    with np.load(tmp_path / "out.npz") as result:
        for name, values in expected.items():
            np.testing.assert_allclose(result[name], values, rtol=0, atol=1e-5)
        np.testing.assert_allclose(
            result["vectors"], encoder.encode(["a fox", "two foxes"]), rtol=0, atol=1e-5
        )
