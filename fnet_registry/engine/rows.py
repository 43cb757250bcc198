"""Products on the CPU that give a row the same bits whatever is computed with it.

A library chooses its kernel by the number of rows, and another kernel may sum up in another order.
Within one call the order is the same for every row. So a product of one fixed number of rows,
filled up with rows that nobody reads, gives a row the same bits at any place among any others.
Fewer rows are taken only where their kernel gives the very same results.

The order follows from the shape of a product and not from its numbers, so that numbers chosen to
reveal it are enough: each product has a trial of its own, see `Product.trial`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Protocol, Self

import torch
import torch.nn.functional as F

from fnet_registry.engine.products import FULL_SPEED_ROWS

TRIAL_ROWS = 13
"""Different rows in a trial: a prime, so that each comes to lie at every place of a block."""
_STEP = 32


class Product(Protocol):
    """All that decides how a product is computed, but for its numbers and its rows; hashable."""

    @property
    def standard(self) -> Self:
        """The product whose results this one must give; mostly itself."""
        ...

    def trial(self, rows: int) -> torch.Tensor:
        """Multiply numbers that are always the same and that reveal the order of summation.

        Row `i` of the input is row `i % TRIAL_ROWS` of a fixed one; the result is `(rows, …)`.
        """
        ...


def by_rows(
    product: Product, multiply: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor
) -> torch.Tensor:
    """Multiply rows so that each has the same bits whatever is computed with it.

    Where a product makes no such promise (`keeps_rows`), the rows are multiplied as they come.

    Args:
        product: What is computed.
        multiply: Computes it for `(rows, inputs)`.
        x: Tensor of shape `(…, inputs)`.

    Returns:
        Tensor of shape `(…, outputs)`.
    """
    rows = x.reshape(-1, x.shape[-1])
    if keeps_rows(product):
        tiles = [_filled_up(product, multiply, tile) for tile in rows.split(FULL_SPEED_ROWS)]
        results = tiles[0] if len(tiles) == 1 else torch.cat(tiles)
    else:
        results = multiply(rows)
    return results.reshape(*x.shape[:-1], -1)


def keeps_rows(product: Product, rows: int = FULL_SPEED_ROWS) -> bool:
    """Return whether a product over that many rows gives each the bits that `by_rows` promises."""
    return _keeps_rows(product, rows, torch.get_num_threads())


def _filled_up(
    product: Product, multiply: Callable[[torch.Tensor], torch.Tensor], tile: torch.Tensor
) -> torch.Tensor:
    least = -(-len(tile) // _STEP) * _STEP
    sizes = (least, 1 << (least - 1).bit_length(), FULL_SPEED_ROWS)
    size = next(size for size in sizes if keeps_rows(product, size))
    if size == len(tile):
        return multiply(tile)
    return multiply(F.pad(tile, (0, 0, 0, size - len(tile))))[: len(tile)]


@functools.cache
def _keeps_rows(product: Product, rows: int, threads: int) -> bool:
    expected, are_alike = _standard(product.standard, threads)
    if (product, rows) == (product.standard, FULL_SPEED_ROWS):
        return are_alike
    with torch.device("cpu"):  # whatever the program's default is
        return _repeats(product.trial(rows), expected)


@functools.cache
def _standard(product: Product, threads: int) -> tuple[torch.Tensor, bool]:
    """Return the rows that all must give, and whether they are alike wherever they lie."""
    del threads  # it decides about the kernel, too
    with torch.device("cpu"):
        found = product.trial(FULL_SPEED_ROWS)
        expected = found[:TRIAL_ROWS].clone()
        return expected, _repeats(found, expected)


def _repeats(found: torch.Tensor, expected: torch.Tensor) -> bool:
    return torch.equal(found, expected[torch.arange(len(found)) % TRIAL_ROWS])
