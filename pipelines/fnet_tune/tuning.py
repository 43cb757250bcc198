"""Tune a model on a user's own examples, and register what came of it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Unpack

from fnet_evaluate.data.digest import digest_of
from fnet_ray.model import resolve_model
from fnet_registry.encoding.config import EncodingOptions, complete_encoding, split_options
from fnet_registry.errors import ConfigError
from fnet_registry.shown import shown
from fnet_tune.data.held_out import (
    AnyPath,
    open_judge,
    read_held_out,
    warn_of_overlap,
    write_held_out,
    write_judge,
)
from fnet_tune.data.reading import open_source, renamed_in
from fnet_tune.data.survey import survey
from fnet_tune.job import Job, Tuning, open_encoder
from fnet_tune.recipe import RecipeOptions, check_recipe
from fnet_tune.registering import Target
from fnet_tune.workspace import workspace

if TYPE_CHECKING:
    from fnet_tune.training.loop import Progress


class TuneOptions(RecipeOptions, EncodingOptions, total=False):
    """The options of a recipe and of an encoding."""


def tune(
    model: AnyPath,
    data: AnyPath | Sequence[AnyPath],
    *,
    name: str,
    held_out: AnyPath | None = None,
    also_evaluate: AnyPath | None = None,
    map: Mapping[str, str] = MappingProxyType({}),  # noqa: A002  (the command's name for it)
    split_texts: bool = False,
    device: str | None = None,
    workers: int | None = None,
    alias: str | None = None,
    tags: Mapping[str, str] = MappingProxyType({}),
    on_start: Callable[[Path], None] = lambda _: None,
    on_progress: Callable[[Progress], None] = lambda _: None,
    **options: Unpack[TuneOptions],
) -> Tuning:
    """Tune a model on a user's own examples, and register the best state as a new version.

    What the examples are, their columns say: `anchor`, `positive` and maybe `negative`; `text_a`,
    `text_b` and `score`; `text` and `label`; or `text` and `embedding`, the vector that another
    encoder gives it. A model is trained as it will compute: at its own
    pad lengths and with its own pooling. Killed at any moment and called again with the same
    arguments, it goes on; on a CPU with as many threads, to the same bits.

    Args:
        model: `models:/name/version`, `models:/name@alias`, `runs:/…`, a model folder or a preset
            handle.
        data: Files, folders and globs of Parquet, JSON lines, CSV or TSV.
        name: The registered model that the new version belongs to.
        held_out: Data by which the best state is chosen; by default a tenth of the examples, at
            most 1,000, is held out for it. Where `data` is teacher vectors, or texts to split, it
            may be, too.
        also_evaluate: Other data to evaluate before and after, to see what the tuning cost.
        map: A column's name above → its name in the files, such as `{"anchor": "question"}`. What
            `held_out` or `also_evaluate` has no such column for is for the other files.
        split_texts: Whether to make pairs of the parts of texts: the first paragraph, or else the
            first sentence, and the rest. No other column than `text` is then read.
        device: A torch device; by default a GPU where there is one. It is left out where there are
            `workers`, which hold a GPU each where the cluster has them.
        workers: How many workers of Ray Train share each step, with the same result but for
            rounding; by default, this process works alone.
        alias: An alias to set on the version.
        tags: Tags to set on the version.
        on_start: Is told the folder where the tuning lies until it is over.
        on_progress: Is told of each step.
        **options: `RecipeOptions`, and `EncodingOptions`, which change the parent's encoding.

    Returns:
        What came of it; no version where no state was better on the held-out data than the parent.

    Raises:
        FNetError: The model, the data or an option cannot be used; the message says why.
        KeyboardInterrupt: It was stopped, and goes on from there when called again.
        mlflow.MlflowException: The registry knows no such model, or takes no such name.
    """
    map = dict(map)  # noqa: A001  (workers are sent it)
    recipe_options, encoding_options = split_options(options, RecipeOptions, EncodingOptions)
    asked = check_recipe(**recipe_options)
    _check_workers(workers)
    target = Target(name=name, alias=alias, tags=tags)
    parent = resolve_model(model)
    longest = parent.checkpoint.config.max_sequence_length
    encoding = complete_encoding(longest, stored=parent.encoding, **encoding_options)
    open_encoder(parent, encoding, device=device)  # refuses what the model cannot compute
    given, also = (
        None if path is None else open_judge(_absolute(path), map)
        for path in (held_out, also_evaluate)
    )
    others = [judge.data for judge in (given, also) if judge is not None]
    source = open_source(data, renamed_in(data, map, others), split_texts=split_texts)
    found = survey(source, hold_out=held_out is None)
    made = digest = None
    if given is not None:
        made = read_held_out(given.data, map, split_texts=split_texts, bad=found.bad)
        if made is None:
            judged = given.open_to_choose().data
            content, digest = judged.content, judged.digest
        else:
            content, digest = made, digest_of(made.to_batches())
        warn_of_overlap(source, content)
    identity = {
        "parent": [parent.uri, parent.digest],
        "encoding": encoding.to_dict(),
        "recipe": asked,
        "data": found.digest,
        "held_out": digest,
    }
    if also is not None:
        also.open()  # to say what is wrong with it before hours of work
    with workspace(identity) as folder:
        on_start(folder)
        if made is not None:
            given = write_judge(made, folder)
        job = Job(
            parent=parent,
            encoding=encoding,
            source=source,
            found=found,
            held_out=given or write_held_out(source, found, folder),
            also=also,
            folder=folder,
            device=device,
            workers=workers,
        )
        return job.run(asked, target, on_progress)


def _absolute(path: AnyPath) -> str:
    """Return a path that workers, which run elsewhere, understand."""
    text = os.fspath(path)
    return os.path.abspath(text) if text and "://" not in text else text


def _check_workers(workers: int | None) -> None:
    if workers is None:
        return
    if isinstance(workers, bool) or not isinstance(workers, int) or workers < 1:
        raise ConfigError(
            f"`workers` must be a number of at least 1, for example 2. Received: {shown(workers)}"
        )
