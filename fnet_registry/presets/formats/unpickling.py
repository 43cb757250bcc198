"""Pickles of tensors, read with nothing but a list of what they may say.

`pickle` itself takes memory for whatever a pickle declares, even where it may call nothing. This
reader knows the few codes that torch writes, makes texts, numbers, tuples, lists and dictionaries,
and never looks into them further than one level. No call takes endless arguments: a tuple kept in
the memo would be copied for each.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

import ml_dtypes
import numpy as np

# A tensor takes some 50 codes, and an entry of an archive.
MOST_PARTS = 1 << 20
_MOST_AXES = 8


@dataclass(frozen=True, slots=True)
class Storage:
    """Numbers in a row, held outside the pickle under a key."""

    key: str
    dtype: np.dtype
    size: int

    @property
    def nbytes(self) -> int:
        """Size in bytes."""
        return self.size * self.dtype.itemsize


@dataclass(frozen=True, slots=True)
class PickledTensor:
    """A view of a storage; offset and strides count elements."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def unpickle(stream: BinaryIO, parts: Iterator[int]) -> Any:
    """Read one pickle and leave the stream at its end.

    Args:
        stream: Bytes in memory; a pickle in them costs no more than a few times their size.
        parts: Each code is one of them less.

    Returns:
        Tensors as `PickledTensor`, in what held them.

    Raises:
        CodeError: If it asks for code.
        LookupError, TypeError, ValueError: If it is damaged, or says anything but tensors.
    """
    machine = _Machine()
    for _, (code, argument, _) in zip(parts, pickletools.genops(stream), strict=False):
        if code.name == "STOP":
            return machine.stack.pop()
        machine.step(code.name, argument)
    raise ValueError("a pickle without an end")


class CodeError(ValueError):
    """A pickle that names what is not one of a tensor's parts."""


class _Machine:
    def __init__(self) -> None:
        self.stack: list[Any] = []
        self._marks: list[int] = []
        self._memo: dict[int, Any] = {}

    def step(self, name: str, argument: Any) -> None:
        stack = self.stack
        match name:
            case "PROTO":
                pass
            case "MARK":
                self._marks.append(len(stack))
            case "TUPLE":
                stack.append(tuple(self._above_mark()))
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                count = int(name[-1])
                stack[-count:] = [tuple(stack[-count:])]
            case "BINPUT" | "LONG_BINPUT":
                self._memo[argument] = stack[-1]
            case "BINGET" | "LONG_BINGET":
                stack.append(self._memo[argument])
            case "APPEND" | "APPENDS":
                items = self._above_mark() if name == "APPENDS" else [stack.pop()]
                _checked(stack[-1], list).extend(items)
            case "SETITEM" | "SETITEMS":
                items = self._above_mark() if name == "SETITEMS" else [stack.pop(-2), stack.pop()]
                _fill(stack[-1], items)
            case "BINPERSID":
                stack.append(_storage(*stack.pop()))
            case "REDUCE":
                arguments = stack.pop()
                stack.append(_checked(stack.pop(), _Call).make(*arguments))
            case "BUILD":  # attributes of an ordered dictionary: the versions of a model's modules
                stack.pop()
            case _:
                stack.append(_value(name, argument))

    def _above_mark(self) -> list[Any]:
        start = self._marks.pop()
        items = self.stack[start:]
        del self.stack[start:]
        return items


@dataclass(frozen=True, slots=True)
class _Call:
    make: Callable[..., Any]


def _checked(value: Any, expected: type) -> Any:
    if type(value) is not expected:
        raise ValueError(f"{type(value).__name__} where a {expected.__name__} should be")
    return value


def _fill(target: Any, items: list[Any]) -> None:
    # Texts only: the hash of a tuple of tuples may never end.
    names = [_checked(name, str) for name in items[::2]]
    _checked(target, dict).update(zip(names, items[1::2], strict=True))


def _storage(kind: str, dtype: Any, key: Any, _device: Any, size: Any, view: Any = None) -> Storage:
    if kind != "storage" or not isinstance(dtype, np.dtype) or view is not None:
        raise ValueError("a storage of another kind")
    return Storage(key=_checked(key, str), dtype=dtype, size=_sizes((size,))[0])


def _tensor(
    storage: Any,
    offset: Any,
    shape: Any,
    strides: Any,
    _requires_grad: Any = None,
    _hooks: Any = None,
    _metadata: Any = None,
) -> PickledTensor:
    tensor = PickledTensor(
        storage=_checked(storage, Storage),
        offset=_sizes((offset,))[0],
        shape=_sizes(shape),
        strides=_sizes(strides),
    )
    if len(tensor.shape) != len(tensor.strides) or len(tensor.shape) > _MOST_AXES:
        raise ValueError("a tensor without a stride for each axis")
    return tensor


def _sizes(numbers: Any) -> tuple[int, ...]:
    if not all(
        type(number) is int and 0 <= number < 1 << 63 for number in _checked(numbers, tuple)
    ):
        raise ValueError("a size that is not a number of elements")
    return numbers


def _value(code: str, argument: Any) -> Any:
    if code not in _VALUES:
        raise ValueError(f"the pickle code {code}")
    return _VALUES[code](argument)


def _named(name: str) -> Any:
    if name not in _NAMES:
        raise CodeError(name)
    return _NAMES[name]


_DTYPES = {
    "Bool": np.bool_,
    "Byte": np.uint8,
    "Char": np.int8,
    "Short": np.int16,
    "Int": np.int32,
    "Long": np.int64,
    "Half": np.float16,
    "BFloat16": ml_dtypes.bfloat16,
    "Float": np.float32,
    "Double": np.float64,
    "ComplexFloat": np.complex64,  # the transform as matrices, which is left out
}
_NAMES: dict[str, Any] = {
    "collections OrderedDict": _Call(lambda: {}),
    "torch._utils _rebuild_tensor": _Call(_tensor),
    "torch._utils _rebuild_tensor_v2": _Call(_tensor),
    "torch._utils _rebuild_parameter": _Call(
        lambda tensor, _requires_grad=None, _hooks=None: tensor
    ),
    **{f"torch {name}Storage": np.dtype(dtype) for name, dtype in _DTYPES.items()},
}
_VALUES: dict[str, Callable[[Any], Any]] = {
    **dict.fromkeys(("BININT", "BININT1", "BININT2", "LONG1"), int),
    "BINFLOAT": float,
    "BINUNICODE": str,
    "NEWTRUE": lambda _: True,
    "NEWFALSE": lambda _: False,
    "NONE": lambda _: None,
    "EMPTY_TUPLE": lambda _: (),
    "EMPTY_LIST": lambda _: [],
    "EMPTY_DICT": lambda _: {},
    "GLOBAL": _named,
}
