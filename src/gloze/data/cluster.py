"""The tasks of a preparation on a Ray cluster (the ``scale`` extra)."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gloze.core.errors import ConfigError, DataError, GlozeError, MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gloze.data.tasks import PrepareTasks

# A task that dies with its worker is done anew elsewhere so many times.
RETRIES = 5


def do_on_cluster(tasks: PrepareTasks, address: str) -> Iterator[int]:
    """Do the tasks that are missing on a cluster; return the number of each as it is done.

    gloze, the corpus and the folder of the parts must be on all machines of the cluster.

    Args:
        tasks: of which those that are done already stay.
        address: of the cluster as Ray knows it, ``auto`` for the one this machine belongs to,
            ``local`` for one that is made for the purpose and ends with it.

    Raises:
        MissingExtraError: if Ray is not installed.
        ConfigError: if there is no such cluster, or a task died more often than it is tried.
        DataError: if a file is missing or broken.
    """
    # Ray tells its makers about its use unless it is told not to.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError as error:
        raise MissingExtraError("ray", "scale", "--ray") from error

    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise ConfigError(f"No Ray cluster can be reached at {address!r}: {error}") from error
    try:
        do: Any = ray.remote(max_retries=RETRIES, num_cpus=1)(_do)
        here = str(Path.cwd())
        waiting = {do.remote(tasks, number, here): number for number in tasks.missing()}
        while waiting:
            [done], _ = ray.wait(list(waiting), num_returns=1)
            if refused := ray.get(done):
                raise refused
            yield waiting.pop(done)
    except ray.exceptions.RayTaskError as error:
        raise error.cause from error
    except ray.exceptions.RayError as error:
        reason = str(error).strip().splitlines()[0]
        raise ConfigError(f"A task died {RETRIES + 1} times ({reason}).") from error
    finally:
        ray.shutdown()


def _do(tasks: PrepareTasks, number: int, folder: str) -> GlozeError | None:
    """Do a task on another machine; what is wrong with the corpus comes back as a value.

    Args:
        tasks: all of them.
        number: which.
        folder: that the names of the corpus are relative to.
    """
    try:
        os.chdir(folder)
        tasks.do(number)
    except (DataError, OSError) as error:
        return DataError(str(error))
    except ConfigError as error:
        return ConfigError(str(error))
    except GlozeError as error:
        return error
    return None
