"""One thread: these problems are small, and other processes want the cores."""

from __future__ import annotations

import torch

torch.set_num_threads(1)
