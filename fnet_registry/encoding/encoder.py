"""Texts to vectors."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Self, Unpack, get_args

import numpy as np
import torch
import torch.nn.functional as F

from fnet_registry.encoding.config import (
    SPECIAL_TOKENS_PER_TEXT,
    EncoderOptions,
    EncodingConfig,
    EncodingOptions,
    LoadOptions,
    LongText,
    complete_encoding,
    split_options,
)
from fnet_registry.encoding.fitting import check_fits, tokenizer_of
from fnet_registry.encoding.packing import Tokens, pack_texts
from fnet_registry.encoding.pooling import POOLINGS
from fnet_registry.encoding.similarity import cosines
from fnet_registry.encoding.stored import preset_encoding, write_encoding
from fnet_registry.encoding.tokenizer import FNetTokenizer, check_is_list
from fnet_registry.engine.engine import ComputeDtype, Engine
from fnet_registry.engine.layout import laid_out_for_engine, with_views_copied
from fnet_registry.errors import ConfigError, TextError
from fnet_registry.inputs import check_length, positive
from fnet_registry.presets.checkpoint import Checkpoint, read_checkpoint
from fnet_registry.presets.handle import Handle, LocalHandle
from fnet_registry.presets.tensors import HEAD, parameter_count
from fnet_registry.presets.writing import write_checkpoint
from fnet_registry.progress import batch_starts
from fnet_registry.shown import shown

if TYPE_CHECKING:
    from fnet_registry.model.backbone import FNetBackbone

DEFAULT_BATCH_SIZE = 32
_MOST_THREADS = 1024  # with more, torch ends the process


class TextEncoder:
    """An FNet model that turns texts into vectors under one frozen configuration.

    The same text gives the same vector, to the last bit, alone and in any batch, on one device,
    dtype and number of threads.

    Args:
        backbone: A Keras backbone. The encoder keeps a copy of the weights that it has now:
            training it further changes no vector until a new encoder is made.
        tokenizer: Its tokenizer.
        **options: How texts become vectors, as `EncodingConfig` says, and how the model runs, as
            `LoadOptions` says.

    Raises:
        ConfigError: If a value is impossible for this model.
        TypeError: If there is no such option.
    """

    def __init__(
        self,
        backbone: FNetBackbone,
        tokenizer: FNetTokenizer,
        **options: Unpack[EncoderOptions],
    ) -> None:
        encoding, load = split_options(options, EncodingOptions, LoadOptions)
        checkpoint = laid_out_for_engine(backbone.to_checkpoint(tokenizer.proto), copy=True)
        config = complete_encoding(checkpoint.config.max_sequence_length, **encoding)
        self._assemble(checkpoint, config, **load)
        self.backbone = backbone

    @classmethod
    def from_preset(cls, preset: str | Path | Handle, **options: Unpack[EncoderOptions]) -> Self:
        """Load a preset from any handle, with the options of the class; Keras is not imported.

        An option of the encoding that is left out is as the preset carries it, or else the default.

        Raises:
            FNetError: If the preset cannot be had or used.
            TypeError: If there is no such option.
        """
        # Here, so that a served model needs none of what talks to hubs.
        from fnet_registry.presets.fetch import fetch

        encoding, load = split_options(options, EncodingOptions, LoadOptions)
        folder = fetch(preset)
        checkpoint = read_checkpoint(folder.path)
        if isinstance(folder.handle, LocalHandle):
            # Only the hubs' caches are sure never to change a file in place.
            checkpoint = with_views_copied(checkpoint)
        config = preset_encoding(folder.path, checkpoint.config.max_sequence_length, **encoding)
        return cls.from_checkpoint(checkpoint, config, **load)

    @classmethod
    def from_checkpoint(
        cls,
        checkpoint: Checkpoint,
        config: EncodingConfig | None = None,
        **options: Unpack[LoadOptions],
    ) -> Self:
        """Build an encoder on a checkpoint's arrays; Keras is not imported.

        Args:
            checkpoint: The model with its tokenizer.
            config: How texts become vectors; by default as `complete_encoding` has it.
            **options: How the model runs.

        Raises:
            ConfigError: If a value is impossible for this model.
            TokenizerError: If the checkpoint has no tokenizer.
            TypeError: If there is no such option.
        """
        [load] = split_options(options, LoadOptions)
        self = cls.__new__(cls)
        config = config or complete_encoding(checkpoint.config.max_sequence_length)
        self._assemble(checkpoint, config, **load)
        return self

    def _assemble(
        self,
        checkpoint: Checkpoint,
        config: EncodingConfig,
        *,
        device: str | None = None,
        dtype: ComputeDtype = "float32",
        batch_size: int = DEFAULT_BATCH_SIZE,
        num_threads: int | None = None,
    ) -> None:
        check_fits(checkpoint, config)
        if num_threads is not None:
            torch.set_num_threads(positive("num_threads", num_threads, most=_MOST_THREADS))
        self.checkpoint = checkpoint
        self.config = config
        self.tokenizer = tokenizer_of(checkpoint)
        self.batch_size = positive("batch_size", batch_size)
        on_gpu = torch.cuda.is_available() and config.quantization is None  # for that is the CPU's
        self.device = device or ("cuda" if on_gpu else "cpu")
        self.dtype: ComputeDtype = dtype
        self._engine = Engine(
            checkpoint,
            device=self.device,
            dtype=self.dtype,
            quantised=config.quantization is not None,
        )

    def __repr__(self) -> str:
        chosen = {"dim": self.dim, **self.config.chosen()}
        encoding = ", ".join(f"{name}={value!r}" for name, value in chosen.items())
        count = parameter_count(self.checkpoint.config)
        return f"TextEncoder({count:,} parameters, {encoding}, {self.dtype} on {self.device})"

    @cached_property
    def backbone(self) -> FNetBackbone:
        """The model in Keras, built when it is first asked for."""
        from fnet_registry.model.backbone import build_backbone

        return build_backbone(self.checkpoint)

    def save_to_preset(self, preset_dir: str | Path) -> None:
        """Write a preset folder that carries this encoding, and that KerasHub loads, too."""
        write_encoding(self.config, Path(preset_dir))
        write_checkpoint(self.checkpoint, preset_dir)

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return self.checkpoint.dim

    def encode(
        self,
        texts: Sequence[str],
        *,
        normalize: bool | None = None,
        batch_size: int | None = None,
        long_text: LongText = "truncate",
        show_progress: bool = False,
    ) -> np.ndarray:
        """Turn texts into vectors.

        Args:
            texts: The texts; an empty one is encoded as `[CLS] [SEP]`.
            normalize: Whether to scale the vectors to unit length; by default as configured.
            batch_size: Texts to work on at once.
            long_text: `truncate` keeps a text's first tokens; `error` refuses one that is longer
                than the sequence length.
            show_progress: Whether to draw a bar on stderr.

        Returns:
            Float32 array of shape `(texts, dim)`.

        Raises:
            TextError: If a row is not a text, or too long where that is refused.
        """
        check_is_list(texts)
        step = positive("batch_size", self.batch_size if batch_size is None else batch_size)
        vectors = np.empty((len(texts), self.dim), dtype=np.float32)
        for start in batch_starts(len(texts), step, show_progress=show_progress):
            batch = texts[start : start + step]
            tokens = self.tokenize(batch, long_text=long_text, first_row=start)
            vectors[start : start + step] = self.encode_tokens(
                tokens, normalize=normalize, batch_size=step
            )
        return vectors

    similarity = staticmethod(cosines)

    def tokenize(
        self, texts: Sequence[str], *, long_text: LongText = "truncate", first_row: int = 0
    ) -> Tokens:
        """Do the first half of `encode`: texts, of which messages count from a row, to packed ids.

        Raises:
            TextError: As in `encode`.
        """
        if long_text not in get_args(LongText):
            raise ConfigError(
                f"`long_text` must be one of {', '.join(get_args(LongText))}."
                f" Received: {shown(long_text)}"
            )
        ids = self.tokenizer.tokenize(texts, num_threads=os.cpu_count() or 1, first_row=first_row)
        tokens = pack_texts(
            ids,
            self.config.sequence_length,
            cls_token_id=self.tokenizer.cls_token_id,
            sep_token_id=self.tokenizer.sep_token_id,
        )
        if long_text == "error" and tokens.truncated.any():
            row = int(tokens.truncated.argmax())
            raise TextError(
                f"Row {first_row + row} must be at most {self.config.sequence_length} tokens long,"
                f" [CLS] and [SEP] included. Received: {len(ids[row]) + SPECIAL_TOKENS_PER_TEXT}"
            )
        return tokens

    def encode_tokens(
        self, tokens: Tokens, *, normalize: bool | None = None, batch_size: int | None = None
    ) -> np.ndarray:
        """Do the second half of `encode`: packed ids to float32 vectors of shape `(texts, dim)`.

        Raises:
            TokensError: If the ids were packed for a longer sequence length than this encoder's.
        """
        check_length(int(tokens.lengths.max(initial=1)), self.config.sequence_length)
        step = positive("batch_size", self.batch_size if batch_size is None else batch_size)
        vectors = np.empty((len(tokens), self.dim), dtype=np.float32)
        for start in range(0, len(tokens), step):
            vectors[start : start + step] = self._encode_batch(
                tokens[start : start + step], normalize
            )
        return vectors

    @torch.inference_mode()
    def _encode_batch(self, tokens: Tokens, normalize: bool | None) -> np.ndarray:
        vectors = self._embed(tokens).cpu()  # on a GPU, bits of a norm depend on the batch
        if self.config.normalize if normalize is None else normalize:
            vectors = F.normalize(vectors, dim=-1)
        return vectors.numpy()

    def _embed(self, tokens: Tokens) -> torch.Tensor:
        """Return vectors `(texts, dim)` that are not normalised, on the encoder's device."""
        return self._engine.head_outputs(self._pool_batch(tokens))

    @torch.inference_mode()
    def amplification(self, texts: Sequence[str]) -> np.ndarray:
        """Return by how much the head may enlarge a relative error of each text's vector.

        Returns:
            Float32 array of shape `(texts,)`, of at least 1; 1 where there is no head.
        """
        kernel = self.checkpoint.arrays.get(f"{HEAD}.kernel")
        if kernel is None:
            return np.ones(len(texts), np.float32)
        pooled = self._pool_batch(self.tokenize(texts))
        given = self._engine.head_outputs(pooled).norm(dim=-1)
        gain = float(np.linalg.norm(kernel, 2)) * pooled.norm(dim=-1) / given
        return gain.clamp(min=1).cpu().numpy()

    def _pool_batch(self, tokens: Tokens) -> torch.Tensor:
        """Return pooled vectors `(texts, hidden)`, before the head, on the encoder's device."""
        ids = torch.from_numpy(
            tokens.padded(self.config.sequence_length, self.tokenizer.pad_token_id)
        )
        pool = POOLINGS[self.config.pooling]
        padded_lengths = self.config.padded_lengths(tokens.lengths)
        hidden = self.checkpoint.config.hidden_dim
        vectors = torch.empty(len(tokens), hidden, dtype=torch.float32, device=self.device)
        for length in np.unique(padded_lengths).tolist():
            rows = np.flatnonzero(padded_lengths == length)
            vectors[rows] = pool(self._engine, ids[rows, :length], tokens.lengths[rows].tolist())
        return vectors
