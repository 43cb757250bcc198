"""Makes SentencePiece raise over one text and die over another, where it is `sitecustomize`."""

import os
import signal
from typing import Any

import sentencepiece

_encode = sentencepiece.SentencePieceProcessor.encode


def encode(self: Any, texts: Any, *args: Any, **options: Any) -> Any:
    """Encode other texts as ever."""
    if "it kills" in texts or texts.count("together too much") > 1:
        os.kill(os.getpid(), signal.SIGKILL)
    if "it raises" in texts:
        raise RuntimeError("poison")
    return _encode(self, texts, *args, **options)


sentencepiece.SentencePieceProcessor.encode = encode
