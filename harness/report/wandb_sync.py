"""`harness wandb sync`: mirror what is not mirrored yet, push what the server has not got; to be repeated at will."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from harness.failures import UserError
from harness.plan import Plan, plan_from_json
from harness.report.mirror import Mirror, start_process
from harness.report.mirrored import Ledger, Names, due, is_behind, lowered, mode_of, unpushed
from harness.report.wandb_push import find_server, push
from harness.store import Store


def sync(folder: Path, *, project: str | None, dry_run: bool) -> bool:
    """Push the runs of all suites of a store.

    Args:
        project: in place of the suites' own.
        dry_run: only list them; nothing is written, no network is needed.

    Returns:
        Whether every run that is due was mirrored.

    Raises:
        NotPushedError: no key, no network, or the server refused some.
        UserError: there is no store, or W&B is switched off.
    """
    store = Store.open(folder, write=False)
    if lowered("online", os.environ) == "disabled":
        raise UserError("W&B is switched off by WANDB_MODE or WANDB_DISABLED; unset it to push runs")
    plans = [plan for plan in _plans(store) if not _says_disabled(plan)]
    if dry_run:
        _list(plans, store)
        return True
    store = Store.open(folder)
    troubles = [plan.suite for plan in plans if not _catch_up(plan, store)]
    waiting = len(list(unpushed(store, [plan.suite for plan in plans])))
    if not waiting:
        print("nothing to push")
        return not troubles
    print(f"{waiting} run{'s' * (waiting != 1)} to push to {find_server(os.environ)}", flush=True)
    pushed = push(store, [plan.suite for plan in plans], project=project)
    print(f"{pushed} run{'s' * (pushed != 1)} pushed")
    return not troubles


def _plans(store: Store) -> list[Plan]:
    found = []
    for path in sorted((store.root / "plans").glob("*.json")):
        try:
            found.append(plan_from_json(store.get_json(path) or {}))
        except ValueError as error:
            raise UserError(f"{path}: {error}") from error
    return found


def _says_disabled(plan: Plan) -> bool:
    if mode_of(plan, {}) != "disabled":
        return False
    print(f"{plan.suite}: left out, its suite says wandb.mode: disabled")
    return True


def _list(plans: list[Plan], store: Store) -> None:
    for plan in plans:
        for name, folder in unpushed(store, [plan.suite]):
            print(f"{plan.suite}: {name}: would push {folder}")
        for cell in due(plan, Names(store), Ledger(store, plan.suite).entries()):
            print(f"{plan.suite}: {cell.id}: would mirror it first")


def _catch_up(plan: Plan, store: Store) -> bool:
    """Mirror what is left of a suite, however long it takes; whether all of it came through."""
    if not is_behind(plan, store):
        return True
    print(f"{plan.suite}: mirroring", flush=True)
    with Mirror(start_process(store, plan.suite, "offline"), store, patience=None) as mirror:
        _, trouble = mirror.conclude()
    if trouble:
        print(f"harness: {plan.suite}: {trouble}", file=sys.stderr)
    return not trouble
