"""What names a model in MLflow, read once and printed back: the one reader of `models:/`."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Any, Literal, Self

_GRAMMAR = re.compile(
    r"models:/+(?:(?P<model_id>m-[0-9a-f]{32})"
    r"|(?P<name>[^/]+?)(?:/(?P<version>[0-9]{1,18}|(?i:latest))|@(?P<alias>[^/@]+))?)/*"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelUri:
    """Where MLflow finds a model; `str` writes what `parse` read, in its plainest form.

    Args:
        name: A registered model.
        version: Its version, in `models:/name/3` or `models:/name/latest`.
        alias: An alias of its version, in `models:/name@alias`.
        model_id: A logged model, in `models:/m-…`.
        other: Any other URI or path as it was written, such as `runs:/…`.
    """

    name: str | None = None
    version: int | Literal["latest"] | None = None
    alias: str | None = None
    model_id: str | None = None
    other: str | None = None

    @classmethod
    def parse(cls, text: str | os.PathLike[str]) -> Self:
        """Read any URI or path; nothing is looked up."""
        match = _GRAMMAR.fullmatch(str(text))
        if match is None:
            return cls(other=str(text))
        parts: dict[str, Any] = match.groupdict()
        if version := parts["version"]:
            parts["version"] = int(version) if version.isdecimal() else "latest"
        return cls(**parts)

    def __str__(self) -> str:
        if self.other is not None:
            return self.other
        if self.alias is not None:
            return f"models:/{self.name}@{self.alias}"
        version = "" if self.version is None else f"/{self.version}"
        return f"models:/{self.model_id or self.name}{version}"
