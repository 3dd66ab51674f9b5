"""Where jobs run: warm slots and gangs on Ray, and their in-process twin. Knows nothing of learning."""

from cluster.job import Attempt, Failure, Gang, Hooks, Job, JobError, Outcome, SlotSize

__all__ = ["Attempt", "Failure", "Gang", "Hooks", "Job", "JobError", "Outcome", "SlotSize"]
