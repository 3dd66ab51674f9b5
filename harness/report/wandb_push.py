"""Push mirrored runs to W&B's server, with `wandb sync` in a process of its own: it may hang or crash, this may not.

Without a key `wandb sync` says so in a second. With a key and without a network it tries for ever, so the server is
looked for first, and a process that pushes nothing for a while is ended.
"""

from __future__ import annotations

import configparser
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from harness.failures import UserError
from harness.lease import Holder, LeaseKeeper
from harness.report.mirrored import unpushed
from harness.store import Store

#: Where W&B is, unless WANDB_BASE_URL or `wandb login --host` says otherwise.
SERVER = "https://api.wandb.ai"
#: Seconds: for a connection; without a run pushed.
CONNECT_PATIENCE, PUSH_PATIENCE = 5.0, 60.0
#: Runs handed to one process: what crashes it costs no more than these a second try.
AT_ONCE = 25
#: Settings of W&B's that say who and where; any other would change what a run is (WANDB_RUN_ID, WANDB_MODE, ...).
_KEPT = frozenset(
    f"WANDB_{name}"
    for name in (
        "API_KEY",
        "BASE_URL",
        "ENTITY",
        "CONFIG_DIR",
        "IDENTITY_TOKEN_FILE",
        "CREDENTIALS_FILE",
        "HTTP_TIMEOUT",
    )
)


class NotPushedError(UserError):
    """Some runs were not pushed. The text says why, and what to do; they are kept."""

    exit_code = 3


def environment() -> dict[str, str]:
    """Of processes that use W&B: the user's, without those WANDB_ variables that would change what we ask for."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("WANDB_") or name in _KEPT}
    return {**kept, "WANDB_SILENT": "true", "WANDB_CONSOLE": "off", "WANDB_ERROR_REPORTING": "false"}


def push(store: Store, suites: Sequence[str], *, project: str | None, stop: threading.Event | None = None) -> int:
    """Push what the server has not got of these suites; what it has got is marked, and not pushed again.

    Args:
        project: in place of each run's own.
        stop: ends it where it is set, from another thread.

    Returns:
        How many were pushed.

    Raises:
        NotPushedError: some were not.
    """
    with LeaseKeeper(store.lease, Holder.here(run="W&B push")) as leases:
        if not leases.acquire("wandb-push"):
            raise NotPushedError(f"another process pushes the runs of {store.root} just now; try again later")
        waiting = [folder for _, folder in unpushed(store, suites)]
        if not waiting:
            return 0
        server = find_server(os.environ)
        require_network(server)
        pushed = 0
        for start in range(0, len(waiting), AT_ONCE):
            some = waiting[start : start + AT_ONCE]
            said = _sync(store, some, project, stop or threading.Event())
            done = sum(map(_is_pushed, some))
            pushed += done
            if done < len(some):
                raise NotPushedError(f"{pushed} of {len(waiting)} runs pushed to {server}: {said}")
        return pushed


def find_server(variables: Mapping[str, str]) -> str:
    """The address of W&B's server."""
    if address := variables.get("WANDB_BASE_URL"):
        return address
    folder = variables.get("WANDB_CONFIG_DIR") or str(Path.home() / ".config" / "wandb")
    settings = configparser.ConfigParser(interpolation=None)
    try:
        settings.read(Path(folder) / "settings")
        return settings.get("default", "base_url", fallback=SERVER)
    except (configparser.Error, UnicodeDecodeError):
        return SERVER


def require_network(server: str) -> None:
    """Raises NotPushedError where nothing answers at the server's address, or the proxy's before it."""
    from urllib.request import getproxies, proxy_bypass

    address = urlsplit(server)
    proxy = getproxies().get(address.scheme)
    if proxy and not proxy_bypass(address.hostname or ""):
        address = urlsplit(proxy if "//" in proxy else f"//{proxy}")
    port = address.port or (80 if address.scheme == "http" else 443)
    try:
        socket.create_connection((address.hostname or "", port), timeout=CONNECT_PATIENCE).close()
    except OSError as error:
        raise NotPushedError(
            f"{server} cannot be reached ({error}); the runs are kept: try again where there is a network"
        ) from None


def _is_pushed(folder: Path) -> bool:
    return any(folder.glob("*.wandb.synced"))


def _sync(store: Store, folders: Sequence[Path], project: str | None, stop: threading.Event) -> str:
    """Run `wandb sync` on some runs, as long as it gets on; returns why it did not push all."""
    command = [sys.executable, "-P", "-m", "wandb", "sync", *map(str, folders)]
    command += ["--project", project] if project else []
    command += ["--entity", os.environ["WANDB_ENTITY"]] if os.environ.get("WANDB_ENTITY") else []
    scratch = Path(tempfile.mkdtemp(prefix="push-", dir=store.root / "wandb"))
    # WANDB_DIR, or W&B's logs would go to the working directory.
    variables = {**environment(), "WANDB_SILENT": "false", "WANDB_DIR": str(scratch), "WANDB_CACHE_DIR": str(scratch)}
    try:
        with (scratch / "said").open("w+b") as said:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
                env=variables,
                start_new_session=True,
            )
            try:
                hangs = not _gets_on(process, folders, stop)
            finally:
                _end(process)
            said.seek(0)
            if stop.is_set():
                return "there was no more time"
            return _reason(said.read().decode(errors="replace"), hangs)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _gets_on(process: subprocess.Popen[bytes], folders: Sequence[Path], stop: threading.Event) -> bool:
    """Wait for its end, or to be stopped; False once no run was pushed for a while."""
    pushed, since = 0, time.monotonic()
    while process.poll() is None and not stop.wait(0.1):
        now = sum(map(_is_pushed, folders))
        if now > pushed:
            pushed, since = now, time.monotonic()
        elif time.monotonic() - since > PUSH_PATIENCE:
            return False
    return True


def _end(process: subprocess.Popen[bytes]) -> None:
    """With the helper that W&B starts."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _reason(said: str, hangs: bool) -> str:
    if "No API key" in said:
        return "there is no API key: set WANDB_API_KEY or run `wandb login`, then repeat the command"
    if hangs:
        return f"no run came through for {PUSH_PATIENCE:.0f} s; the rest is kept, repeat the command later"
    lines = [line.removeprefix("wandb: ").strip() for line in said.splitlines() if line.strip()]
    errors = [line for line in lines if "error" in line.lower()] or lines
    return f"`wandb sync` says: {errors[-1] if errors else 'nothing'}"
