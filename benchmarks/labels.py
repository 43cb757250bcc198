"""What tuning by labels brings to texts that it did not see, and what it costs elsewhere.

    python benchmarks/labels.py CORPUS.parquet [--tune-on 4000] [--tell 1000] [--shuffle]

The packaged preset is tuned by the labels of a corpus's first rows, with the columns `text` and
`label`; `--shuffle` puts the rows in random order before that. The next rows' labels are told by
their 10 nearest among the first, under TF-IDF and by the model's vectors before and after;
elsewhere is the docstrings of the standard library, as in
`presets/f_net_mini_docs_en/retrieval.py`.
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from machine import description
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.neighbors import KNeighborsClassifier

import fnet_mlflow
import fnet_tune
from fnet_registry import TextEncoder

PRESET = "f_net_mini_docs_en"
NEIGHBOURS = 10

sys.path.insert(0, str(Path(__file__).parents[1] / "presets" / PRESET))
from retrieval import measure  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--tune-on", type=int, default=4000)
    parser.add_argument("--tell", type=int, default=1000)
    parser.add_argument("--shuffle", action="store_true")
    args = parser.parse_args()
    rows = pq.read_table(args.corpus, columns=["text", "label"])
    if args.shuffle:
        rows = rows.take(np.random.default_rng(0).permutation(len(rows)))
    known, asked = rows.slice(0, args.tune_on), rows.slice(args.tune_on, args.tell)

    print(description(), "\n")
    order = "in random order" if args.shuffle else "in the file's order"
    counts = f"{len(asked):,} texts by {len(known):,} others"
    print(f"### {args.corpus.stem}, {order}: {counts}, seed 0\n")
    print("| | told rightly | docstrings found among ten |")
    print("|---|---|---|")
    words = TfidfVectorizer(sublinear_tf=True).fit(known["text"].to_pylist())
    print(f"| TF-IDF | {share_told(words.transform, known, asked):.3f} | |")
    before = TextEncoder.from_preset(PRESET)
    print(row(f"`{PRESET}`", before, known, asked), flush=True)
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{scratch}/mlflow.db"
        os.environ["XDG_CACHE_HOME"] = f"{scratch}/cache"
        os.chdir(scratch)
        pq.write_table(known, "known.parquet")
        started = time.perf_counter()
        tuned = fnet_tune.tune(PRESET, "known.parquet", name="told")
        seconds = time.perf_counter() - started
        if tuned.registration is None:
            print(f"| nothing better in {seconds:.0f} s | | |")
            return
        after = fnet_mlflow.load_model(f"models:/told/{tuned.registration.version}")
        print(row(f"tuned in {seconds:.0f} s", after, known, asked))


def row(name: str, encoder: TextEncoder, known: pa.Table, asked: pa.Table) -> str:
    told = share_told(encoder.encode, known, asked)
    return f"| {name} | {told:.3f} | {measure(encoder)['R@10']:.3f} |"


def share_told(encode: Any, known: pa.Table, asked: pa.Table) -> float:
    nearest = KNeighborsClassifier(NEIGHBOURS, metric="cosine", algorithm="brute")
    nearest.fit(encode(known["text"].to_pylist()), known["label"].to_pylist())
    return nearest.score(encode(asked["text"].to_pylist()), asked["label"].to_pylist())


if __name__ == "__main__":
    main()
