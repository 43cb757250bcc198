"""Probe texts with their vectors: how a machine tells that it computes the same function."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fnet_registry.errors import ProbeError

if TYPE_CHECKING:
    from fnet_registry.encoding.encoder import TextEncoder

PROBE_FILE = "probe.npz"

PROBE_TEXTS = (
    "",
    "FNet",
    "The quick brown fox jumps over the lazy dog.",
    "FNet mixes tokens with a Fourier transform: fast, and with no attention at all.",
    "Grüße aus Zürich, naïve café — 12,5 % günstiger!",
    "東京は日本の首都です。 🚀 Привет, мир.",
    "def forward(x):\n    return fft(fft(x, dim=-1), dim=-2).real\n",
    "A sentence that goes on past every pad length, again and again. " * 60,
)
"""Short, long, empty, cut, and in several scripts: each path through the encoder is used."""

LOWEST_COSINE = {"float32": 0.99999, "float16": 0.9999, "bfloat16": 0.999, "int8": 0.999}
"""How near a probe's vector must lie to the recorded one, by the precision that computes it."""

LARGEST_DIFFERENCE = {"float32": 1e-4, "float16": 2e-2, "bfloat16": 1e-1, "int8": 1e-1}
"""The largest difference of one value, relative to the recorded vector's largest value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """Texts and the vectors that the version gave for them when it was saved.

    Args:
        texts: The texts.
        vectors: Their vectors, (n, dim) float32, computed on a CPU in float32, or with the
            version's int8 weights.
    """

    texts: tuple[str, ...]
    vectors: np.ndarray


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeReport:
    """How far this machine's vectors lie from the recorded ones.

    Args:
        device: Where they were computed.
        dtype: In which precision: the compute dtype, or `int8` for quantised weights.
        texts: How many were compared.
        max_difference: Largest difference of one value, relative to its vector's largest value.
        lowest_cosine: Lowest cosine between a vector and the recorded one.
        allowed_difference: Bound on `max_difference`.
        allowed_cosine: Bound on `lowest_cosine`.
    """

    device: str
    dtype: str
    texts: int
    max_difference: float
    lowest_cosine: float
    allowed_difference: float
    allowed_cosine: float

    @property
    def passed(self) -> bool:
        """Whether both bounds hold; vectors that are not finite never pass."""
        return (
            self.max_difference <= self.allowed_difference
            and self.lowest_cosine >= self.allowed_cosine
        )

    def __str__(self) -> str:
        return (
            f"{self.texts} probe texts on {self.device} in {self.dtype}: "
            f"maximum difference {self.max_difference:.2g} (at most {self.allowed_difference:g}), "
            f"lowest cosine {self.lowest_cosine:.7f} (at least {self.allowed_cosine:g})"
        )


def check_probe(encoder: TextEncoder, probe: Probe) -> ProbeReport:
    """Recompute probe vectors and compare them with the recorded ones."""
    vectors = encoder.encode(probe.texts)
    precision = encoder.config.quantization or encoder.dtype
    scale = np.abs(probe.vectors).max(axis=1, keepdims=True)
    # Rounding errors of a pooled vector, which the bounds are made for, may grow in a head.
    gain = float(encoder.amplification(probe.texts).max())
    lengths = np.linalg.norm(vectors, axis=1) * np.linalg.norm(probe.vectors, axis=1)
    cosines = (vectors * probe.vectors).sum(axis=1) / lengths
    return ProbeReport(
        device=encoder.device,
        dtype=precision,
        texts=len(probe.texts),
        max_difference=float((np.abs(vectors - probe.vectors) / scale).max()),
        lowest_cosine=float(cosines.min()),
        allowed_difference=LARGEST_DIFFERENCE[precision] * gain,
        allowed_cosine=1 - (1 - LOWEST_COSINE[precision]) * gain**2,
    )


def write_probe(probe: Probe, folder: Path) -> None:
    """Write a probe into a model's data folder."""
    (folder / PROBE_FILE).write_bytes(probe_to_bytes(probe))


def read_probe(folder: Path) -> Probe:
    """Read the probe of a model's data folder.

    Raises:
        ProbeError: It has none.
    """
    if not (folder / PROBE_FILE).is_file():
        raise ProbeError(
            "A version that refers to a hub has its probe vectors in the registry: check it with "
            f"fnet verify models:/name/version. Received: {folder}"
        )
    return probe_from_bytes((folder / PROBE_FILE).read_bytes())


def probe_to_bytes(probe: Probe) -> bytes:
    """Return a probe as an npz archive."""
    archive = BytesIO()
    np.savez_compressed(archive, texts=np.array(probe.texts), vectors=probe.vectors)
    return archive.getvalue()


def probe_from_bytes(archive: bytes) -> Probe:
    """Read what `probe_to_bytes` made."""
    with np.load(BytesIO(archive), allow_pickle=False) as stored:
        return Probe(texts=tuple(stored["texts"].tolist()), vectors=stored["vectors"])
