"""The model that tuning starts from: a tokenizer, and a bag of pieces put into an FNet."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import sentencepiece
import torch
from bag import Bag, Pieces, even_basis, odd_directions
from training import Pairs, train_bag
from vocabulary import train_tokenizer

from fnet_registry.encoding.config import EncodingConfig
from fnet_registry.encoding.stored import write_encoding
from fnet_registry.encoding.tokenizer import SPECIAL_PIECES, FNetTokenizer
from fnet_registry.presets.checkpoint import Checkpoint
from fnet_registry.presets.config import FNetConfig
from fnet_registry.presets.tensors import tensor_shapes
from fnet_registry.presets.writing import write_checkpoint

CONFIG = FNetConfig(
    vocabulary_size=8000,
    num_layers=1,
    hidden_dim=480,
    intermediate_dim=256,
    max_sequence_length=256,
    num_segments=1,
)
ENCODING = EncodingConfig(
    sequence_length=CONFIG.max_sequence_length,
    padding="bucket",
    buckets=(16, 32, 64, 128, 256),
    pooling="cls",
    normalize=True,
)
_SAMPLE = 120_000  # pairs that the tokenizer is trained on


def write_start(pairs: Path, folder: Path) -> None:
    """Train the tokenizer and the bag, and write the preset that tuning starts from."""
    table = pq.read_table(pairs)
    anchors, positives = (table[name].to_pylist() for name in ("anchor", "positive"))
    tokenizer = FNetTokenizer(train_tokenizer(_sample(anchors, positives), CONFIG.vocabulary_size))
    tokenized = Pairs(
        anchors=tokenize(tokenizer.proto, anchors),
        positives=tokenize(tokenizer.proto, positives),
        chances=_chances(table["archive"].to_numpy()),
        summaries=table["kind"].to_numpy() == "summary",
    )
    state = pairs.with_name("bag.pt")
    bag = train_bag(CONFIG, tokenized, state)
    with torch.no_grad():  # what stands for no text means nothing
        bag.vectors[[tokenizer.token_to_id(piece) for piece in SPECIAL_PIECES]] = 0
    arrays = arrays_of(bag, CONFIG)
    write_checkpoint(
        Checkpoint(config=CONFIG, arrays=arrays, tokenizer_proto=tokenizer.proto, dtype="float32"),
        folder,
    )
    write_encoding(ENCODING, folder)
    state.unlink()


def tokenize(proto: bytes, texts: Sequence[str]) -> Pieces:
    """Tokenize texts, each as far as is read of it."""
    processor = sentencepiece.SentencePieceProcessor(model_proto=proto)
    ids: list[np.ndarray] = []
    for start in range(0, len(texts), 20_000):
        batch = list(texts[start : start + 20_000])
        encoded = processor.encode(batch, num_threads=2)
        ids += [np.array(each[: CONFIG.max_sequence_length], np.uint16) for each in encoded]
    return Pieces(ids=np.concatenate(ids), begins=np.cumsum([0, *map(len, ids)]))


def arrays_of(bag: Bag, config: FNetConfig) -> dict[str, np.ndarray]:
    """Put a bag into an FNet of one layer that gives the same vectors at `[CLS]`.

    The embedding's norm makes all of its rows equally long. So a piece's row is its vector and, in
    a direction that the projection takes away, what is missing to the longest; a place that counts
    less adds to the row what the projection takes away too.
    """
    hidden = config.hidden_dim
    arrays = {name: np.zeros(shape, np.float32) for name, shape in tensor_shapes(config).items()}
    for name, values in arrays.items():
        if name.endswith(".gamma"):
            values[:] = 1
    missing, away = odd_directions(hidden)
    trained = {name: values.numpy() for name, values in bag.state_dict().items()}
    vectors, weights = trained["vectors"], bag.weights().detach().numpy()
    lengths = np.linalg.norm(vectors, axis=1)
    rest = np.sqrt(lengths.max() ** 2 - lengths**2)
    weights = np.concatenate([[1], weights[:-1] / weights.max()])  # `[CLS]` has the first place
    given = {
        # Entries as large as trained ones are, for a learning rate is made for those.
        "token_embedding": (
            (vectors @ even_basis(hidden).T + np.outer(rest, missing)) / lengths.max()
        ),
        "position_embedding": np.outer(np.sqrt(weights**-2 - 1), away),
        "embedding_projection.kernel": (
            np.eye(hidden) - np.outer(missing, missing) - np.outer(away, away)
        ),
        "layers.0.intermediate.kernel": trained["inner.weight"].T,
        "layers.0.intermediate.bias": trained["inner.bias"],
        "layers.0.output.kernel": trained["outer.weight"].T,
        "layers.0.output.bias": trained["outer.bias"],
        "pooler.kernel": np.eye(hidden),
    }
    return arrays | {name: values.astype(np.float32) for name, values in given.items()}


def _chances(archives: np.ndarray) -> np.ndarray:
    """Return how often each pair is drawn: of a package four times as large, twice as many pairs.

    Else a few packages of generated code, whose texts are much the same, are most of what is seen.
    """
    _, archive, sizes = np.unique(archives, return_inverse=True, return_counts=True)
    return sizes[archive] ** -0.5


def _sample(anchors: Sequence[str], positives: Sequence[str]) -> Iterator[str]:
    step = max(1, len(anchors) // _SAMPLE)
    for anchor, positive in zip(anchors[::step], positives[::step], strict=True):
        yield " ".join(anchor.split())
        yield from (" ".join(part.split()) for part in positive.split("\n\n"))
