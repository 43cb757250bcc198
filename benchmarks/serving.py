"""A registered model, warm: one text at length 128, against the bare forward pass.

python benchmarks/serving.py
"""

import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
from machine import description
from models import make_presets
from turns import median_seconds

LENGTH, ROUNDS = 128, 9


def main() -> None:
    import mlflow

    import fnet_mlflow

    with tempfile.TemporaryDirectory() as scratch:
        preset, _ = make_presets(Path(scratch) / "presets")
        mlflow.set_tracking_uri(f"sqlite:///{scratch}/mlflow.db")
        mlflow.create_experiment("bench", artifact_location=f"{scratch}/artifacts")
        mlflow.set_experiment("bench")
        fnet_mlflow.register_preset(str(preset), "fnet", sequence_length=LENGTH)
        model = mlflow.pyfunc.load_model("models:/fnet/1")
        encoder = model.get_raw_model()
        texts = ["Fourier transforms mix tokens as attention does, at a fraction of its cost."]
        tokens = encoder.tokenize(texts)
        ids = torch.from_numpy(tokens.padded(LENGTH, encoder.tokenizer.pad_token_id))
        lengths = tokens.lengths.tolist()
        runs: dict[str, Callable[[], object]] = {
            "bare forward pass": lambda: encoder._engine.mean_outputs(ids, lengths),
            "TextEncoder.encode": lambda: encoder.encode(texts),
            "mlflow.pyfunc predict": lambda: model.predict(texts),
        }
        seconds = median_seconds(list(runs.values()), rounds=ROUNDS)
    medians = dict(zip(runs, seconds, strict=True))
    bare = medians["bare forward pass"]
    print(description(), "\n")
    print(f"| one text, length {LENGTH}, warm | median ms | of the bare forward pass |")
    print("|---|---|---|")
    for name, median in medians.items():
        print(f"| {name} | {median * 1e3:.1f} | {median / bare:.2f} |")


if __name__ == "__main__":
    main()
