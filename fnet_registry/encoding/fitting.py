"""Whether a model can be encoded with, and under which configuration."""

from __future__ import annotations

from fnet_registry.encoding.config import EncodingConfig
from fnet_registry.encoding.tokenizer import FNetTokenizer
from fnet_registry.errors import ConfigError, TokenizerError
from fnet_registry.presets.checkpoint import VOCABULARY_NAMES, Checkpoint


def check_fits(checkpoint: Checkpoint, config: EncodingConfig) -> None:
    """Refuse a configuration that asks for more than a model has.

    Raises:
        ConfigError: If the sequence length or the pooling is none of this model.
    """
    longest = checkpoint.config.max_sequence_length
    if config.sequence_length > longest:
        raise ConfigError(
            f"`sequence_length` must be at most {longest}, the model's maximum."
            f" Received: {config.sequence_length}"
        )
    if config.pooling == "pooled" and not checkpoint.config.pooler:
        raise ConfigError(
            "`pooling` must be 'mean' or 'cls' for a model without a pooler. Received: 'pooled'"
        )


def tokenizer_of(checkpoint: Checkpoint) -> FNetTokenizer:
    """Return the tokenizer of a model.

    Raises:
        TokenizerError: If it has none, or one with more pieces than the embedding table has rows.
    """
    if checkpoint.tokenizer_proto is None:
        raise TokenizerError(
            "A text encoder needs a preset with a SentencePiece model,"
            f" {VOCABULARY_NAMES}. Received: none"
        )
    tokenizer, rows = FNetTokenizer(checkpoint.tokenizer_proto), checkpoint.config.vocabulary_size
    if tokenizer.vocabulary_size() > rows:
        raise TokenizerError(
            f"The vocabulary must have at most {rows} pieces, the rows of the embedding table."
            f" Received: {tokenizer.vocabulary_size()}"
        )
    return tokenizer
