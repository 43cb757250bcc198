"""A corpus that every machine has: the docstrings of the Python standard library."""

import ast
import sysconfig
import warnings
from collections.abc import Iterator
from pathlib import Path


def standard_library_docstrings() -> Iterator[dict[str, str]]:
    """Reads the docstrings of modules, classes and functions; nothing is imported.

    Yields:
        `name`, such as `json/decoder.py:JSONDecoder.decode`, and `text`.
    """
    root = Path(sysconfig.get_path("stdlib"))
    for path in sorted(root.rglob("*.py")):
        place = path.relative_to(root)
        if place.parts[0] in ("site-packages", "dist-packages", "test", "idlelib"):
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                tree = ast.parse(path.read_bytes())
            except SyntaxError:
                continue
        yield from _docstrings(tree, str(place))


def parts(text: str) -> tuple[str, str] | None:
    """Returns a docstring's first paragraph and the rest, or None where there is no rest."""
    first, _, rest = text.partition("\n\n")
    return (first, rest) if first.strip() and rest.strip() else None


def _docstrings(tree: ast.Module, place: str) -> Iterator[dict[str, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node)
            if text:
                name = "" if isinstance(node, ast.Module) else f":{node.name}@{node.lineno}"
                yield {"name": place + name, "text": text}
