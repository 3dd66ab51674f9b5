"""Where jobs run: warm slots and gangs on Ray, and their in-process twin. Knows nothing of learning.

The pools are in cluster.ray_pool, which imports Ray, and in cluster.local, which does not.
"""

from cluster.capacity import ImpossibleRequest
from cluster.job import Attempt, Failure, Gang, Hooks, Job, JobError, Outcome, SlotSize
from cluster.pool import Claim, Done, Event, Pool, PoolError, Run, Started, Wait

__all__ = [
    "Attempt",
    "Claim",
    "Done",
    "Event",
    "Failure",
    "Gang",
    "Hooks",
    "ImpossibleRequest",
    "Job",
    "JobError",
    "Outcome",
    "Pool",
    "PoolError",
    "Run",
    "SlotSize",
    "Started",
    "Wait",
]
