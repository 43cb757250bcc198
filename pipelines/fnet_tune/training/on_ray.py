"""A tuning's steps, shared by workers of Ray Train.

Of Ray Train it needs the workers, their process group, and new ones where some were lost. The state
lies in the tuning's folder, from where new workers go on as a new process would; what the first of
them tells goes through an actor, so that one MLflow run, in the driver, has all of it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, wait
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import torch

from fnet_ray.cluster.pool import MOST_WORKERS_PER_NODE, ActorPool, WorkerRequest, choose_pool
from fnet_ray.cluster.runtime import live_nodes, ray_cluster
from fnet_registry.errors import FNetError, JobError, TuningError, WorkersError
from fnet_registry.shown import shown
from fnet_tune.training.team import Team, TeamError

if TYPE_CHECKING:
    from fnet_tune.job import Job
    from fnet_tune.training.loop import Progress
    from fnet_tune.training.state import State

MOST_FAILURES = 5
_POLL_SECONDS, _SECONDS_TO_END = 0.2, 30.0


def train_on_ray(
    job: Job,
    options: Mapping[str, Any],
    on_progress: Callable[[Progress], None],
    *,
    stop: Callable[[], bool],
) -> State:
    """Train to the end with the job's number of workers, and leave the best state in its folder.

    Args:
        job: What is trained, and on what; its examples are tokenized already.
        options: The recipe's.
        on_progress: Is told of each step.
        stop: Asked again and again; where it is True, the workers stop behind their next step.

    Raises:
        KeyboardInterrupt: It was stopped.
        TuningError: The loss is no number any more, or the workers do not see the folder.
        WorkersError: There is no room for the workers, or they were lost too often.
    """
    import ray

    import fnet_evaluate
    import fnet_tune

    with ray_cluster(fnet_evaluate, fnet_tune):
        pool = _pool(job)
        relay = _start_relay()
        checkpoint = job.parent.checkpoint
        orders = _Orders(
            job=replace(job, parent=replace(job.parent, checkpoint=replace(checkpoint, arrays={}))),
            weights=ray.put(dict(checkpoint.arrays)),
            options=dict(options),
            threads=pool.threads,
            relay=relay,
        )
        fitting = _start(orders, pool)
        done, end = False, None
        while not done:
            time.sleep(_POLL_SECONDS)
            done = fitting.done()  # before what was told is taken, so that nothing is left
            for progress in ray.get(relay.take.remote(stop())):
                on_progress(progress)
            end: Any = ray.get(relay.end.remote())
            done = done or isinstance(end, FNetError)
        wait([fitting], timeout=_SECONDS_TO_END)  # or it would meet a Ray that stops
        return _outcome(fitting, end)


def _start_relay() -> Any:
    """Start a relay where this process is, whichever other node is lost."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here = ray.get_runtime_context().get_node_id()
    strategy: Any = NodeAffinitySchedulingStrategy(here, soft=False)
    return ray.remote(num_cpus=0, scheduling_strategy=strategy)(_Relay).remote()


def _pool(job: Job) -> ActorPool:
    count, nodes = job.workers or 1, live_nodes()
    if count > MOST_WORKERS_PER_NODE * len(nodes):
        raise WorkersError(
            f"Each node takes at most {MOST_WORKERS_PER_NODE} workers. Received: {count:,} workers "
            f"and {len(nodes)} nodes"
        )
    request = WorkerRequest(
        workers=(count, count), gpus_per_worker=0 if job.device == "cpu" else None
    )
    try:
        return choose_pool(request, nodes)
    except JobError as error:
        raise WorkersError(str(error)) from None


def _start(orders: _Orders, pool: ActorPool) -> Future[Any]:
    """Start the workers; the future ends as they do."""
    from ray.train import FailureConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchTrainer

    trainer = TorchTrainer(
        _work,
        train_loop_config={"orders": orders},
        scaling_config=ScalingConfig(
            num_workers=pool.most,
            use_gpu=pool.gpus > 0,
            resources_per_worker={"CPU": pool.cpus} | ({"GPU": pool.gpus} if pool.gpus else {}),
        ),
        run_config=RunConfig(
            name=".ray",  # what a new process finds of it, it removes
            storage_path=str(orders.job.folder),
            failure_config=FailureConfig(max_failures=MOST_FAILURES),
        ),
    )
    fitting: Future[Any] = Future()

    def fit() -> None:
        try:
            fitting.set_result(trainer.fit())
        except BaseException as error:
            fitting.set_exception(error)

    # It cannot be stopped from outside, and must not keep the process from ending.
    threading.Thread(target=fit, daemon=True).start()
    return fitting


def _outcome(fitting: Future[Any], end: State | FNetError | None) -> State:
    if isinstance(end, FNetError):
        raise end
    if (error := fitting.exception()) is not None:
        raise WorkersError(
            "The workers must stay; the same command goes on from the last state. Received: more "
            f"than {MOST_FAILURES} failures, at last {shown(str(error))}"
        ) from None
    if end is None:
        raise KeyboardInterrupt
    return end


class _Relay:
    """What the first worker tells the driver, and whether that asks it to stop: an actor."""

    def __init__(self) -> None:
        self._told: list[Progress] = []
        self._end: State | FNetError | None = None
        self._stop = False

    def tell(self, progress: Progress) -> bool:
        self._told.append(progress)
        return self._stop

    def take(self, stop: bool) -> list[Progress]:
        told, self._told, self._stop = self._told, [], self._stop or stop
        return told

    def set_end(self, end: State | FNetError) -> None:
        self._end = end

    def end(self) -> State | FNetError | None:
        return self._end


@dataclass(kw_only=True)
class _Orders:
    """What a worker needs to know.

    Args:
        job: The job, without the parent's weights.
        weights: `ray.ObjectRef` of these.
        options: The recipe's.
        threads: CPU threads of each worker.
        relay: The `_Relay`.
    """

    job: Job
    weights: Any
    options: Mapping[str, Any]
    threads: int | None
    relay: Any
    stopping: bool = field(default=False, init=False)

    def carry_out(self, team: Team) -> None:
        """Train as one of a team."""
        import ray
        from ray.train.torch import get_device

        if self.threads is not None:
            torch.set_num_threads(self.threads)
        device = get_device()
        parent = self.job.parent
        checkpoint = replace(parent.checkpoint, arrays=ray.get(self.weights))
        job = replace(self.job, parent=replace(parent, checkpoint=checkpoint), device=str(device))
        try:
            with team.together(device):
                if not job.folder.is_dir():
                    raise TuningError(
                        "All workers must see the tuning's folder; set XDG_CACHE_HOME to one that "
                        f"they share. Received: {job.folder}"
                    )
            with team.together(device):
                training = job.training(self.options, team)
            end = training.run(self._tell, stop=lambda: self.stopping)
        except (KeyboardInterrupt, TeamError):
            return
        except FNetError as error:
            end = error
        if team.leads or isinstance(end, FNetError):
            ray.get(self.relay.set_end.remote(end))

    def _tell(self, progress: Progress) -> None:
        import ray

        self.stopping = ray.get(self.relay.tell.remote(progress))


def _work(config: dict[str, Any]) -> None:
    from ray.train import get_context

    context = get_context()
    team = Team(rank=context.get_world_rank(), size=context.get_world_size())
    config["orders"].carry_out(team)
