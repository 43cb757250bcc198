"""One random model in the formats of all tools, so that equal weights are compared."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from fnet_registry import Checkpoint
from fnet_registry.presets.config import FNetConfig
from fnet_registry.presets.formats.transformers import layout
from fnet_registry.presets.tensors import tensor_shapes
from fnet_registry.presets.writing import write_checkpoint, write_json

BASE = FNetConfig(vocabulary_size=32_000, num_layers=12, hidden_dim=768, intermediate_dim=3072)
SMALL = FNetConfig(vocabulary_size=8_000, num_layers=4, hidden_dim=256, intermediate_dim=1024)
SHAPES = {"base": BASE, "small": SMALL}
SPECIAL_PIECES = ["<pad>", "[CLS]", "[SEP]", "[MASK]"]


def make_presets(folder: Path, config: FNetConfig = BASE) -> tuple[Path, Path]:
    """Writes the model once for KerasHub and this project, and once for Transformers.

    Args:
        folder: Where both go; what stands there is used again.
        config: The sizes.

    Returns:
        The two folders.
    """
    kerashub, transformers = folder / "kerashub", folder / "transformers"
    if not (transformers / "config.json").exists():
        shutil.rmtree(folder, ignore_errors=True)
        checkpoint = random_checkpoint(config)
        write_checkpoint(checkpoint, kerashub)
        write_transformers(checkpoint, transformers)
    return kerashub, transformers


def random_checkpoint(config: FNetConfig) -> Checkpoint:
    """The model with a tokenizer."""
    return replace(without_tokenizer(config), tokenizer_proto=train_tokenizer())


def without_tokenizer(config: FNetConfig) -> Checkpoint:
    """The model alone."""
    return Checkpoint(
        config=config, arrays=random_weights(config), tokenizer_proto=None, dtype="float32"
    )


def random_weights(config: FNetConfig) -> dict[str, np.ndarray]:
    """Seeded random weights, of the size that trained ones have."""
    generator = np.random.default_rng(0)
    arrays = {}
    for name, shape in tensor_shapes(config).items():
        if name.endswith(".gamma"):
            arrays[name] = np.ones(shape, "float32")
        elif name.endswith((".beta", ".bias")):
            arrays[name] = np.zeros(shape, "float32")
        else:
            arrays[name] = 0.02 * generator.standard_normal(shape, "float32")
    return arrays


def train_tokenizer() -> bytes:
    """A SentencePiece model of the Python standard library's docstrings."""
    import io
    import sys

    import sentencepiece

    sys.path.append(str(Path(__file__).parents[1] / "examples"))
    from standard_library import standard_library_docstrings

    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=(row["text"] for row in standard_library_docstrings()),
        model_writer=model,
        vocab_size=8000,
        model_type="bpe",
        control_symbols=SPECIAL_PIECES,
        max_sentence_length=16384,
        minloglevel=2,
    )
    return model.getvalue()


def write_transformers(checkpoint: Checkpoint, folder: Path) -> None:
    """Writes the checkpoint as Transformers' `FNetModel` lays it out."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {}
    for name, place in layout(checkpoint.config).items():
        values = torch.from_numpy(checkpoint.arrays[name])
        tensors[place.name] = (values.T if place.transposed else values).contiguous()
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "spiece.model").write_bytes(checkpoint.tokenizer_proto or b"")
    config = checkpoint.config
    document = {
        "architectures": ["FNetModel"],
        "model_type": "fnet",
        "dtype": "float32",
        "vocab_size": config.vocabulary_size,
        "hidden_size": config.hidden_dim,
        "num_hidden_layers": config.num_layers,
        "intermediate_size": config.intermediate_dim,
        "max_position_embeddings": config.max_sequence_length,
        "type_vocab_size": config.num_segments,
        "hidden_act": "gelu_new",
        "layer_norm_eps": 1e-12,
        "pad_token_id": 3,
    }
    write_json(document, folder / "config.json")
