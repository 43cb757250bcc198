"""The work of a tuning, in the folder that holds how far it is."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any

from fnet_evaluate.evaluation import Evaluation
from fnet_mlflow.registry.register import Registration
from fnet_mlflow.runs import describe_run
from fnet_ray.model import PinnedModel
from fnet_registry.encoding.config import EncodingConfig
from fnet_registry.encoding.tokenizer import FNetTokenizer
from fnet_registry.presets.checkpoint import Checkpoint
from fnet_tune.data.held_out import METRICS, Judge, as_score, figure
from fnet_tune.data.prepared import prepare
from fnet_tune.data.reading import BadRows, Source
from fnet_tune.data.survey import Survey
from fnet_tune.moments import with_head
from fnet_tune.recipe import Recipe, complete_recipe
from fnet_tune.registering import Story, Target, register_tuned
from fnet_tune.stopping import stop_requests
from fnet_tune.tasks import VECTORS
from fnet_tune.tracking import log_data, log_figures, log_on_version, log_progress, tracked

if TYPE_CHECKING:
    from fnet_registry import TextEncoder
    from fnet_tune.training.loop import Progress, Training
    from fnet_tune.training.state import State
    from fnet_tune.training.team import Team


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """What came of a tuning.

    Args:
        registration: The new version; None where no state was better than the parent.
        metric: The figure that the best state was chosen by.
        before: The parent on the held-out examples, and on the other data where it was asked for.
        after: The best state on them.
        recipe: How it was tuned.
        state: How it ended.
        bad: Rows that could not be learnt from.
    """

    registration: Registration | None
    metric: str
    before: list[Evaluation]
    after: list[Evaluation]
    recipe: Recipe
    state: State
    bad: BadRows


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What a tuning is about.

    Args:
        parent: The model that is tuned.
        encoding: How the tuned one turns texts into vectors.
        source: The examples.
        found: What a first look at them told.
        held_out: What the best state is chosen by.
        also: Other data to evaluate before and after.
        folder: Where all of it lies until it is over.
        device: A torch device; None takes a GPU where there is one.
        workers: How many workers of Ray Train share the steps; None for this process alone.
    """

    parent: PinnedModel
    encoding: EncodingConfig
    source: Source
    found: Survey
    held_out: Judge
    also: Judge | None
    folder: Path
    device: str | None
    workers: int | None

    def run(
        self, options: Mapping[str, Any], target: Target, on_progress: Callable[[Progress], None]
    ) -> Tuning:
        """Train, compare with the parent, and register the best state if it is better."""
        import torch

        from fnet_tune.training.state import read_best

        metric = METRICS[self.held_out.open_to_choose().kind.name]
        training = self.training(options)
        recipe = {f"recipe.{name}": value for name, value in training.recipe.to_dict().items()}
        device = training.network.device
        with (
            tracked(
                self.folder,
                f"tune {target.name} on {self.source.rows.name}",
                {"model": self.parent.uri, **recipe},
            ) as run_id,
            torch.random.fork_rng([device] if device.type == "cuda" else []),
        ):
            self._log_data()
            before = self._evaluate(self._encoder(self.parent.encoding), "before")

            def watch(progress: Progress) -> None:
                log_progress(progress, metric)
                on_progress(progress)

            with stop_requests() as stop:
                state = self._train(training, options, watch, stop)
            read_best(training.network, self.folder, state.best_step)
            checkpoint = training.network.checkpoint()
            after = self._evaluate(self._encoder(self.encoding, checkpoint), "after")
            values = [each[0].figures[metric].value for each in (before, after)]
            story = Story(
                parent=self.parent,
                metric=metric,
                before=values[0],
                after=values[1],
                data=self.source.rows.name,
                data_digest=self.found.digest,
                held_out=before[0].count,
                seed=training.recipe.seed,
                step=state.best_step,
            )
            better = as_score(values[1]) > as_score(values[0])
            made = register_tuned(checkpoint, self.encoding, target, story) if better else None
            outcome = f"Registered as {made.model_uri}." if made else "Nothing was registered."
            describe_run(run_id, f"{story.card(self.encoding)} {outcome}".replace(". ", ".\n\n"))
            if made is not None:
                self._log_on_versions({self.parent.uri: before, made.model_uri: after})
        return Tuning(
            registration=made,
            metric=metric,
            before=before,
            after=after,
            recipe=training.recipe,
            state=state,
            bad=self.found.bad,
        )

    def training(self, options: Mapping[str, Any], team: Team | None = None) -> Training:
        """Return what is to be trained, by this process or as one of a team.

        Raises:
            InputError: All examples have one score, label or vector.
        """
        import torch

        from fnet_tune.training.batches import Batches
        from fnet_tune.training.heads import teacher_head
        from fnet_tune.training.loop import Training
        from fnet_tune.training.network import Network
        from fnet_tune.training.sampling import sampler_of
        from fnet_tune.training.team import ALONE

        team = team or ALONE
        tokenizer = FNetTokenizer(self.parent.checkpoint.tokenizer_proto or b"")
        examples = prepare(
            self.source,
            self.found,
            self.folder,
            tokenizer=tokenizer,
            sequence_length=self.encoding.sequence_length,
        )
        sampler = sampler_of(examples, seed=options.get("seed", 0), paired=self.source.task.paired)
        recipe = complete_recipe(
            options, count=len(sampler), hidden_dim=self.parent.checkpoint.config.hidden_dim
        )
        device = self.device or ("cuda" if torch.cuda.is_available() else "cpu")
        batches = Batches(
            examples=examples,
            sampler=sampler,
            batch_size=recipe.batch_size,
            encoding=self.encoding,
            pad_token_id=tokenizer.pad_token_id,
        )
        checkpoint, pooling = self.parent.checkpoint, self.encoding.pooling
        parent = Network(checkpoint, pooling, dropout=0.0, device=device)
        if self.source.task == VECTORS:
            checkpoint = with_head(checkpoint, teacher_head(self.folder, parent, batches))
        return Training(
            network=Network(checkpoint, pooling, device=device),
            parent=parent if self.source.task.keeps else None,
            batches=batches,
            loss=resolve_name(self.source.task.loss),
            recipe=recipe,
            measure=self._measure() if team.leads else None,
            folder=self.folder,
            team=team,
        )

    def _measure(self) -> Callable[[Checkpoint], float]:
        subject = self.held_out.open_to_choose()
        return lambda now: figure(subject, self._encoder(self.encoding, now))

    def _encoder(
        self, encoding: EncodingConfig, checkpoint: Checkpoint | None = None
    ) -> TextEncoder:
        return open_encoder(self.parent, encoding, checkpoint, device=self.device)

    def _train(
        self,
        training: Training,
        options: Mapping[str, Any],
        on_progress: Callable[[Progress], None],
        stop: Callable[[], bool],
    ) -> State:
        if self.workers is None:
            return training.run(on_progress, stop=stop)
        from fnet_tune.training.on_ray import train_on_ray

        return train_on_ray(self, options, on_progress, stop=stop)

    def _evaluate(self, encoder: TextEncoder, name: str) -> list[Evaluation]:
        found = [judge.evaluate(encoder, name) for judge in self._judges]
        for role, evaluation in zip(("held_out", "also"), found, strict=False):
            log_figures(evaluation, f"{name}_{role}")
        return found

    def _log_on_versions(self, found: Mapping[str, list[Evaluation]]) -> None:
        for model, evaluations in found.items():
            for judge, evaluation in zip(self._judges, evaluations, strict=True):
                if judge.given:
                    log_on_version(evaluation, model, os.fspath(judge.data))

    @property
    def _judges(self) -> list[Judge]:
        return [self.held_out, *([self.also] if self.also else [])]

    def _log_data(self) -> None:
        rows = self.source.rows
        log_data(rows.files[0].path, name=rows.name, digest=self.found.digest, context="tuning")


def open_encoder(
    model: PinnedModel,
    encoding: EncodingConfig,
    checkpoint: Checkpoint | None = None,
    *,
    device: str | None = None,
) -> TextEncoder:
    """Open a model, or what it was trained to, under an encoding.

    Raises:
        FNetError: The model cannot compute it, or not on the device.
    """
    from fnet_registry import TextEncoder

    dtype: Any = model.compute_dtype
    return TextEncoder.from_checkpoint(
        checkpoint or model.checkpoint, encoding, dtype=dtype, device=device
    )
