"""Docstrings of Python packages, read from their archives; nothing is installed or imported."""

import ast
import re
import tarfile
import warnings
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath

from standard_library import parts, standard_library_docstrings

# Copies of other packages, and tests, whose docstrings are for their authors.
_LEFT_OUT = re.compile(r"(^|/)(tests?|testing|vendor|_vendor|_vendored|extern)(/|_)")
_DEFINITIONS = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True, slots=True, kw_only=True)
class Docstring:
    """A docstring and what it describes, such as `decoder.JSONDecoder.decode`."""

    name: str
    text: str


def read_archive(path: Path) -> Iterator[Docstring]:
    """Read a wheel or a source archive."""
    for place, source in _sources(path):
        if _LEFT_OUT.search(place):
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                tree = ast.parse(source)
            except (SyntaxError, ValueError, RecursionError):
                continue
        module = PurePosixPath(place)
        name = module.parent.name if module.stem == "__init__" else module.stem
        yield from _docstrings(tree, name)


def fold(text: str) -> str:
    """Return a text by which one knows it again, whatever its white space and case."""
    return " ".join(text.split()).casefold()


@cache
def held_out() -> frozenset[str]:
    """Return what must not be learnt: the standard library's docstrings and their parts, folded."""
    texts = [row["text"] for row in standard_library_docstrings()]
    pieces = [piece for text in texts for piece in parts(text) or ()]
    return frozenset(map(fold, texts + pieces))


def _docstrings(node: ast.AST, name: str) -> Iterator[Docstring]:
    if isinstance(node, (ast.Module, *_DEFINITIONS)) and (text := ast.get_docstring(node)):
        # A lone half of a surrogate pair is no text that a file can hold.
        yield Docstring(name=name, text=text.encode("utf-8", "ignore").decode())
    for child in ast.iter_child_nodes(node):
        inner = f"{name}.{child.name}" if isinstance(child, _DEFINITIONS) else name
        yield from _docstrings(child, inner)


def _sources(path: Path) -> Iterator[tuple[str, bytes]]:
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                if name.endswith(".py"):
                    yield name, archive.read(name)
        return
    with tarfile.open(path) as archive:
        for member in archive:
            file = archive.extractfile(member) if member.name.endswith(".py") else None
            if file is not None:
                yield member.name, file.read()
