"""How well a model finds the rest of a docstring by its first paragraph, in the standard library.

python presets/f_net_mini_docs_en/retrieval.py PRESET
"""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))

from docstrings import parts
from standard_library import standard_library_docstrings

from fnet_registry import TextEncoder


def measure(encoder: TextEncoder) -> dict[str, float]:
    """Return the shares of texts that are found first and among the first ten, and the MRR."""
    found = [parts(row["text"]) for row in standard_library_docstrings()]
    firsts, rests = zip(*filter(None, found), strict=True)
    queries, documents = (encoder.encode(list(texts)) for texts in (firsts, rests))
    cosines = encoder.similarity(queries, documents)
    ranks = 1 + (cosines > np.diag(cosines)[:, None]).sum(1)
    return {
        "R@1": (ranks == 1).mean().item(),
        "R@10": (ranks <= 10).mean().item(),
        "MRR": (1 / ranks).mean().item(),
    }


if __name__ == "__main__":
    print(measure(TextEncoder.from_preset(sys.argv[1])))
