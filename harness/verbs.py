"""What the verbs beside `run` print: plan, status, logs, leaderboard, report, list, doctor. From the store alone."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness import doctor, listing
from harness.board_formats import Format, render, show
from harness.changes import State, states
from harness.failures import UserError
from harness.lease import Holder
from harness.plan import Plan, plan_from_json, plan_to_json
from harness.planning import plan_suite
from harness.progress import read_snapshots
from harness.results import board, write_page
from harness.store import Store
from harness.suite_schema import suite_schema
from harness.wording import duration
