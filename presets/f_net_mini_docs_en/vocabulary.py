"""A tokenizer to which texts and code are made of the same words.

Case, punctuation and the joints of names are gone before pieces are looked for: `read_csv(` is made
of the pieces of `Read CSV`. As SentencePiece's own rules have it, `_csv` and ` csv` share none, and
each takes a place among 8,000 pieces.
"""

import io
import string
import tempfile
import unicodedata
from collections.abc import Iterator

import sentencepiece

from fnet_registry.encoding.tokenizer import SPECIAL_PIECES

_LAST_CHARACTER = 0x10FFFF
_NO_TEXT = {"Cs", "Co", "Cn"}  # halves of a pair, of private use, not assigned


def train_tokenizer(texts: Iterator[str], size: int) -> bytes:
    """Train a SentencePiece model that splits texts into words, and rare words into pieces."""
    model = io.BytesIO()
    with tempfile.NamedTemporaryFile("w", suffix=".tsv") as rules:
        for old, new in normalization().items():
            print(_as_code_points(old), _as_code_points(new), sep="\t", file=rules)
        rules.flush()
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=texts,
            model_writer=model,
            vocab_size=size,
            normalization_rule_tsv=rules.name,
            control_symbols=list(SPECIAL_PIECES),
            max_sentence_length=8192,
            minloglevel=2,
        )
    return model.getvalue()


def normalization() -> dict[str, str]:
    """Return what becomes of characters, and of a small letter before a large one in a name."""
    rules: dict[str, str] = {}
    for character in map(chr, range(1, _LAST_CHARACTER + 1)):
        if unicodedata.category(character) not in _NO_TEXT:
            new = _normalized(character)
            rules |= dict.fromkeys((character, unicodedata.normalize("NFD", character)), new)
    for small in string.ascii_lowercase:
        rules |= {small + large: f"{small} {large.lower()}" for large in string.ascii_uppercase}
    return {old: new for old, new in rules.items() if old != new}


def _normalized(character: str) -> str:
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", character).casefold())
    return "".join(map(_as_space, folded))


def _as_space(character: str) -> str:
    category = unicodedata.category(character)
    if category[0] in "PZ" or character in string.punctuation or character.isspace():
        return " "
    return "" if category[0] == "C" else character


def _as_code_points(text: str) -> str:
    return " ".join(f"{ord(character):X}" for character in text)
