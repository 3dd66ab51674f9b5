"""The most memory that one piece of work takes in a process that has done others before."""

from __future__ import annotations

import re
import resource
import sys
from pathlib import Path

import torch

_PROCESS = Path("/proc/self")


def reset(device: torch.device) -> None:
    """Begin anew, where the system can: on Linux, and for what torch allocates on a GPU that is in use already."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    try:
        (_PROCESS / "clear_refs").write_text("5")  # sets the peak to what is resident now (man 5 proc)
    except OSError:  # not Linux, or a sandbox: the peak is then that of the process's whole life
        return


def peak(device: torch.device) -> int:
    """Bytes since `reset`: allocated on the GPU by this process, or resident in main memory, libraries included."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    try:
        found = re.search(r"^VmHWM:\s*(\d+) kB$", (_PROCESS / "status").read_text(), flags=re.MULTILINE)
    except OSError:
        found = None
    if found is not None:
        return 1024 * int(found[1])
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
