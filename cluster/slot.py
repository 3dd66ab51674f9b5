"""One slot: a process that is made ready once and then runs jobs, one after the other."""

from __future__ import annotations

import gc
import importlib
import json
import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

from cluster import pulse
from cluster.classify import Fault, fault_of
from cluster.job import Gang, Hooks


class Report(NamedTuple):
    """What one rank answers: plain data, so that no exception of a job's own has to cross between processes."""

    result: str = "null"  #: JSON
    fault: Fault | None = None


class Place(NamedTuple):
    """Where a slot lives."""

    pid: int
    node: str
    address: str
    pulse: int  #: port


class Slot:
    """Runs in the worker's main thread. Every method but `place` answers with a Report and does not raise."""

    def __init__(self, hooks: Hooks, umask: int | None = None) -> None:
        if umask is not None:  # the session was started under a private umask; what jobs write is the user's choice
            os.umask(umask)
        self._hooks = hooks

    def place(self) -> Place:
        import ray
        from ray.util import get_node_ip_address

        address = get_node_ip_address()
        return Place(os.getpid(), ray.get_runtime_context().get_node_id(), address, pulse.serve(address))

    def warm(self) -> Report:
        """Do the imports once, and keep the collector from walking through them again after every job."""
        report = attempt(lambda: resolve(self._hooks.warm)() if self._hooks.warm else None)
        gc.collect()
        gc.freeze()
        return report._replace(result="null")

    def host(self, address: str, world: int) -> Report:
        return attempt(lambda: resolve(self._hooks.host)(address, world))

    def run(self, target: str, payload: str, gang: Gang) -> Report:
        report = attempt(lambda: resolve(target)(json.loads(payload), gang))
        if gang.world == 1 or not self._hooks.leave:
            return report
        # At once, also after a failure: partners that are blocked on this rank are set free by it.
        left = attempt(lambda: resolve(self._hooks.leave)())
        if left.fault is None:
            return report
        return Report(fault=replace(report.fault or left.fault, sound=False))


def resolve(name: str) -> Callable[..., Any]:
    """The function called "package.module:function".

    Raises:
        ImportError, AttributeError, ValueError: there is none.
    """
    module, colon, function = name.partition(":")
    if not colon:
        raise ValueError(f'{name!r} is not of the form "package.module:function"')
    found: Callable[..., Any] = getattr(importlib.import_module(module), function)
    return found


def attempt(call: Callable[[], Any]) -> Report:
    """Call it; its result as JSON, or its fault."""
    try:
        return Report(result=json.dumps(call()))
    except (Exception, SystemExit) as error:
        return Report(fault=fault_of(error))
