"""The model that tuning starts from: a tokenizer, and piece vectors that a layer adds up.

Trained first without any layer, as weighted means of piece vectors, which takes three minutes;
then put into an FNet of one layer so that it gives the same vectors. Its Fourier transform has at
`[CLS]` the sum over all positions, and of the sum's own transform the real part, which keeps what
is even: half of the hidden dimensions. The embedding's normalisation makes all pieces equally long,
so a piece's weight is what it leaves to one odd direction, which the projection then takes away.
"""

import io
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import sentencepiece
import torch
import torch.nn.functional as F

from fnet_registry.encoding.config import EncodingConfig
from fnet_registry.encoding.stored import write_encoding
from fnet_registry.encoding.tokenizer import SPECIAL_PIECES, FNetTokenizer
from fnet_registry.presets.checkpoint import Checkpoint
from fnet_registry.presets.config import FNetConfig
from fnet_registry.presets.tensors import tensor_shapes
from fnet_registry.presets.writing import write_checkpoint

PIECES = 8000
CONFIG = FNetConfig(
    vocabulary_size=PIECES,
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
STEPS, BATCH, LEARNING_RATE, SCALE = 4000, 1024, 5e-3, 20.0
SEQUENCE_LENGTH = 128
RARE = 1e-3
"""Share of a text's pieces at which a piece's first weight is a half (Arora et al., 2017)."""
_SAMPLE = 120_000  # pairs that the tokenizer is trained on


def write_start(pairs: Path, folder: Path) -> None:
    """Train the tokenizer and the piece vectors, and write the preset that tuning starts from."""
    table = pq.read_table(pairs)
    anchors, positives = (table[name].to_pylist() for name in ("anchor", "positive"))
    tokenizer = FNetTokenizer(train_tokenizer(_sample(anchors, positives)))
    sides = [tokenize(tokenizer.proto, texts) for texts in (anchors, positives)]
    vectors = train_vectors(*sides)
    vectors[[tokenizer.token_to_id(piece) for piece in SPECIAL_PIECES]] = 0  # they mean nothing
    arrays = arrays_of(vectors, CONFIG)
    write_checkpoint(
        Checkpoint(config=CONFIG, arrays=arrays, tokenizer_proto=tokenizer.proto, dtype="float32"),
        folder,
    )
    write_encoding(ENCODING, folder)


def train_tokenizer(texts: Iterator[str]) -> bytes:
    """Train a SentencePiece model whose pieces know no case."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=texts,
        model_writer=model,
        vocab_size=PIECES,
        normalization_rule_name="nmt_nfkc_cf",
        control_symbols=list(SPECIAL_PIECES),
        max_sentence_length=8192,
        minloglevel=2,
    )
    return model.getvalue()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pieces:
    """Texts' pieces one after the other, and where each text begins; the last begins at the end."""

    ids: np.ndarray
    begins: np.ndarray

    def read(self, rows: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the pieces of some texts, and where each text begins among them."""
        lengths = self.begins[rows + 1] - self.begins[rows]
        begins = np.cumsum(lengths) - lengths
        places = np.repeat(self.begins[rows] - begins, lengths) + np.arange(lengths.sum())
        return torch.from_numpy(self.ids[places].astype(np.int64)), torch.from_numpy(begins)


def tokenize(proto: bytes, texts: Sequence[str]) -> Pieces:
    """Tokenize texts, each as far as is read of it."""
    processor = sentencepiece.SentencePieceProcessor(model_proto=proto)
    ids: list[np.ndarray] = []
    for start in range(0, len(texts), 20_000):
        batch = list(texts[start : start + 20_000])
        encoded = processor.encode(batch, num_threads=2)
        ids += [np.array(each[:SEQUENCE_LENGTH], np.uint16) for each in encoded]
    return Pieces(ids=np.concatenate(ids), begins=np.cumsum([0, *map(len, ids)]))


def train_vectors(anchors: Pieces, positives: Pieces) -> np.ndarray:
    """Train piece vectors whose mean over an anchor finds its positive in a batch.

    They begin at random, so that few pieces are alike, and short where a piece is frequent.
    """
    torch.manual_seed(0)
    draw = np.random.default_rng(0)
    counts = np.bincount(np.concatenate([anchors.ids, positives.ids]), minlength=PIECES) + 1
    weight = RARE / (RARE + counts / counts.sum())
    dim = CONFIG.hidden_dim // 2 - 1
    first = torch.randn(PIECES, dim) / math.sqrt(dim) * torch.from_numpy(weight).float()[:, None]
    table = torch.nn.Parameter(first)
    optimizer = torch.optim.Adam([table], lr=LEARNING_RATE, fused=True)
    decay = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
    for step in range(STEPS):
        rows = draw.integers(0, len(anchors.begins) - 1, BATCH)
        there, back = (_means(table, *side.read(rows)) for side in (anchors, positives))
        scores, own = SCALE * there @ back.T, torch.arange(BATCH)
        loss = (F.cross_entropy(scores, own) + F.cross_entropy(scores.T, own)) / 2
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        decay.step()
        if step % 250 == 0:
            print(f"step {step:,} of {STEPS:,}: loss {loss.item():.3f}", flush=True)
    return table.detach().numpy()


def arrays_of(vectors: np.ndarray, config: FNetConfig) -> dict[str, np.ndarray]:
    """Put piece vectors into an FNet of one layer whose output at `[CLS]` is their sum.

    Args:
        vectors: Float32 of shape `(pieces, hidden // 2 - 1)`.
        config: The model's sizes.
    """
    draw = np.random.default_rng(0)
    hidden, inner = config.hidden_dim, config.intermediate_dim
    arrays = {name: np.zeros(shape, np.float32) for name, shape in tensor_shapes(config).items()}
    for name, values in arrays.items():
        if name.endswith(".gamma"):
            values[:] = 1
    angles = 2 * np.pi * np.arange(hidden) / hidden
    even = np.cos(angles[:, None] * np.arange(1, hidden // 2)) * math.sqrt(2 / hidden)
    odd = np.sin(angles) * math.sqrt(2 / hidden)
    lengths = np.linalg.norm(vectors, axis=1)
    rest = np.sqrt(lengths.max() ** 2 - lengths**2)
    table = (vectors @ even.T + rest[:, None] * odd) / lengths.max()
    # Entries as large as trained ones are, for a learning rate is made for those.
    arrays["token_embedding"] = table.astype(np.float32)
    arrays["embedding_projection.kernel"] = (np.eye(hidden) - np.outer(odd, odd)).astype(np.float32)
    inner_kernel = draw.standard_normal((hidden, inner)) * math.sqrt(2 / (hidden + inner))
    arrays["layers.0.intermediate.kernel"] = inner_kernel.astype(np.float32)
    arrays["pooler.kernel"] = np.eye(hidden, dtype=np.float32)
    return arrays


def _means(table: torch.Tensor, ids: torch.Tensor, begins: torch.Tensor) -> torch.Tensor:
    return F.normalize(F.embedding_bag(ids, table, begins), dim=-1)


def _sample(anchors: Sequence[str], positives: Sequence[str]) -> Iterator[str]:
    step = max(1, len(anchors) // _SAMPLE)
    for anchor, positive in zip(anchors[::step], positives[::step], strict=True):
        yield " ".join(anchor.split())
        yield from (" ".join(part.split()) for part in positive.split("\n\n"))
