"""Training an FNet on pairs: seconds a step of `fnet tune` and of sentence-transformers.

    python benchmarks/tuning.py [--steps 15] [--rounds 3]

Both train the same weights on the same pairs, cut to one length, with all others of the batch for
negatives, and AdamW; each in a process of its own, by turns. A figure is the median over the steps
after the first two; those that an evaluation follows are left out.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from machine import description
from models import BASE, SMALL, make_presets

LENGTH, HELD_OUT = 64, 32
SHAPES = {
    "4 layers of 256, 128 pairs": (SMALL, 128),
    "12 layers of 768, 32 pairs": (replace(BASE, vocabulary_size=8000), 32),
}


def fnet_tune(folder: Path, pairs: Path, batch: int, steps: int) -> list[float]:
    """The whole of it: the parent's vectors, near which it keeps, are computed in each step."""
    import fnet_tune
    from fnet_tune.training.loop import Progress

    times: list[float] = []
    evaluated: list[bool] = []
    examples = pq.read_table(pairs)
    held_out = folder / "held_out.parquet"
    pq.write_table(examples.slice(0, HELD_OUT), held_out)

    def note(progress: Progress) -> None:
        times.append(time.perf_counter())
        evaluated.append(progress.recipe.is_due(progress.state.step))

    os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{folder}/mlflow.db"
    os.environ["XDG_CACHE_HOME"] = str(folder / "cache")
    fnet_tune.tune(
        folder / "kerashub",
        pairs,
        name="benchmark",
        held_out=held_out,
        sequence_length=LENGTH,
        batch_size=batch,
        epochs=steps / (len(examples) // batch),
        on_progress=note,
    )
    steps_alone = zip(pairwise(times), evaluated[1:], strict=True)
    return [after - before for (before, after), due in steps_alone if not due]


def sentence_transformers(folder: Path, pairs: Path, batch: int, steps: int) -> list[float]:
    from datasets import Dataset
    from sentence_transformers import (
        SentenceTransformer,
        SentenceTransformerTrainer,
        SentenceTransformerTrainingArguments,
        models,
    )
    from sentence_transformers.losses import MultipleNegativesRankingLoss
    from transformers import TrainerCallback

    times: list[float] = []

    class Clock(TrainerCallback):
        def on_step_end(self, *_: object, **__: object) -> None:
            times.append(time.perf_counter())

    transformer = models.Transformer(str(folder / "transformers"), max_seq_length=LENGTH)
    pooling = models.Pooling(transformer.get_word_embedding_dimension())
    model = SentenceTransformer(modules=[transformer, pooling], device="cpu")
    trainer = SentenceTransformerTrainer(
        model,
        SentenceTransformerTrainingArguments(
            output_dir=str(folder / "trainer"),
            per_device_train_batch_size=batch,
            dataloader_drop_last=True,
            max_steps=steps,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            use_cpu=True,
        ),
        train_dataset=Dataset.from_parquet(str(pairs)),
        loss=MultipleNegativesRankingLoss(model),
        callbacks=[Clock()],
    )
    trainer.train()
    return [after - before for before, after in pairwise(times)]


CONTENDERS = {"fnet tune": fnet_tune, "sentence-transformers": sentence_transformers}


def write_pairs(path: Path) -> None:
    """Pairs of docstrings' halves, all of them longer than what is read of them."""
    sys.path.append(str(Path(__file__).parents[1] / "examples"))
    from standard_library import standard_library_docstrings

    words = [row["text"].split() for row in standard_library_docstrings()]
    halves = [(each[: len(each) // 2], each[len(each) // 2 :]) for each in words if len(each) > 160]
    table = {
        "anchor": [" ".join(a) for a, _ in halves],
        "positive": [" ".join(b) for _, b in halves],
    }
    pq.write_table(pa.table(table), path)


def seconds(name: str, *given: object) -> float:
    command = [sys.executable, "-W", "ignore", __file__, "--contender", name, *map(str, given)]
    output = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    return float(output.splitlines()[-1])


def compare(steps: int, rounds: int) -> None:
    print(f"Seconds a step at {LENGTH} tokens a text, median of {rounds} runs by turns.\n")
    print("| | " + " | ".join(CONTENDERS) + " | times as fast |")
    print("|---|---|---|---|")
    for shape, (config, batch) in SHAPES.items():
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            pairs = folder / "pairs.parquet"
            make_presets(folder / "presets", config)
            write_pairs(pairs)
            runs = [
                [seconds(name, folder / "presets", pairs, batch, steps) for name in CONTENDERS]
                for _ in range(rounds)
            ]
        ours, theirs = (statistics.median(each) for each in zip(*runs, strict=True))
        print(f"| {shape} | {ours:.2f} | {theirs:.2f} | {theirs / ours:.2f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=15)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--contender", nargs=5, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if not args.contender:
        print(description(), end="\n\n")
        compare(args.steps, args.rounds)
        return
    name, folder, pairs, batch, steps = args.contender
    found = CONTENDERS[name](Path(folder), Path(pairs), int(batch), int(steps))
    print(statistics.median(found[1:]))


if __name__ == "__main__":
    main()
