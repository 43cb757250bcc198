"""Embeddings inside one's own Ray Data pipeline, with no files of ours."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from fnet_ray.cluster.environment import Environment
from fnet_ray.cluster.pool import WorkerRequest, choose_pool
from fnet_ray.cluster.runtime import live_nodes
from fnet_ray.corpus.nested import find_column, take_column
from fnet_ray.model import PinnedModel, SharedModel, resolve_model, share_model
from fnet_ray.stages.encode import as_embeddings
from fnet_ray.stages.tokens import Windowing, load_tokenizer, make_windows, tokens_of
from fnet_registry.encoding.config import LongText
from fnet_registry.errors import InputError, TextError

if TYPE_CHECKING:
    from ray.data import Dataset

TOKENS = "__fnet_tokens"
BATCH_ROWS = 1024


def encode(
    dataset: Dataset,
    model: str | os.PathLike[str] | PinnedModel,
    *,
    column: str = "text",
    output_column: str = "embedding",
    dtype: str | None = None,
    long_text: LongText = "truncate",
    workers: WorkerRequest | None = None,
) -> Dataset:
    """Add a column of embeddings to a dataset. Lazy: nothing is computed until it is consumed.

    Args:
        dataset: Any dataset with a column of texts.
        model: As in `embed`, resolved and pinned now; or one that is pinned already.
        column: The column of texts, or a field inside one, as `doc.text`.
        output_column: The column to add, an Arrow tensor of `D` float32: arrays of shape
            `(rows, D)` in batches of numpy, and fixed-size lists in what `write_parquet` writes.
        dtype: Compute dtype, by default the model's own choice.
        long_text: `truncate` to the model's sequence length, or `error`.
        workers: How many workers encode, and what each holds; by default what the cluster has.

    Returns:
        The dataset with the column added.

    Raises:
        FNetError: The model cannot be used. When the dataset is consumed, Ray raises an error
            that names a row that is not a text, or too long where that is refused; or the output
            column, if the dataset has it already.
    """
    import ray
    from ray.data import ActorPoolStrategy

    from fnet_ray.embedded_dataset import EmbeddedDataset

    if not ray.is_initialized():
        ray.init()
    pool = choose_pool(workers or WorkerRequest(), live_nodes())
    pinned = model if isinstance(model, PinnedModel) else resolve_model(model)
    shared = share_model(pinned, dtype=dtype)
    tokenize = TokenizeTexts(
        column=column,
        output_column=output_column,
        windowing=Windowing(sequence_length=shared.encoding.sequence_length, long_text=long_text),
        tokenizer_proto=shared.tokenizer_proto,
    )
    embedded = dataset.map_batches(
        tokenize, batch_size=BATCH_ROWS, batch_format="pyarrow", num_cpus=0.5
    ).map_batches(
        EncodeTokens,
        fn_constructor_args=(shared, output_column, pool.threads, Environment.of_this_process()),
        batch_size=BATCH_ROWS,
        batch_format="pyarrow",
        num_cpus=pool.cpus,
        num_gpus=pool.gpus or None,
        compute=ActorPoolStrategy(min_size=pool.least if workers else 1, max_size=pool.most),
    )
    return EmbeddedDataset.of(embedded, output_column)


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenizeTexts:
    """Adds a column of packed token ids to a batch, which may not have the output column yet."""

    column: str
    output_column: str
    windowing: Windowing
    tokenizer_proto: bytes

    def __call__(self, batch: pa.Table) -> pa.Table:
        """Tokenize a batch's texts.

        Raises:
            InputError: The dataset has the output column already, or no column of texts.
        """
        if self.output_column in batch.column_names:
            raise InputError(
                "The output column must be one that the dataset does not have. "
                f"Received: {self.output_column!r}"
            )
        if not find_column(batch.schema, self.column):
            raise InputError(
                f"The dataset must have the column {self.column!r}. "
                f"Received: {', '.join(batch.column_names)}"
            )
        texts = take_column(batch, self.column).to_pylist()
        windows, too_long = make_windows(
            texts, self.windowing, load_tokenizer(self.tokenizer_proto)
        )
        if too_long:
            row, length = next(iter(too_long.items()))
            raise TextError(
                f"A text must be at most {self.windowing.sequence_length} tokens long. "
                f"Received: {length} tokens in {texts[row][:60]!r}"
            )
        return batch.append_column(TOKENS, windows.to_table()["ids"])


class EncodeTokens:
    """Replaces the column of token ids by one of vectors; an actor, which loads the model once."""

    def __init__(
        self, model: SharedModel, output_column: str, num_threads: int | None, driver: Environment
    ) -> None:
        self._encoder = model.encoder(num_threads=num_threads)
        self._column = output_column
        self._environment = Environment.of_this_process(self._encoder.device)
        self._driver = driver

    def __call__(self, batch: pa.Table) -> pa.Table:
        """Encode a batch.

        Raises:
            JobError: This worker does not run the driver's versions.
        """
        self._environment.check_versions(self._driver)
        vectors = self._encoder.encode_tokens(tokens_of(batch[TOKENS]))
        lists = as_embeddings(vectors, pa.list_(pa.float32(), self._encoder.dim))
        tensors = pa.fixed_shape_tensor(pa.float32(), [self._encoder.dim])
        return batch.drop_columns([TOKENS]).append_column(
            self._column, pa.ExtensionArray.from_storage(tensors, lists)
        )
