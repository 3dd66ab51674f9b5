"""The command line. Each verb imports what it needs: `--help` next to nothing, those that read the store no torch."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

if TYPE_CHECKING:
    from harness.plan import Plan

app = typer.Typer(
    name="harness",
    help="Which self-supervised method learns the best representation, by how much, at what cost, how surely?",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # loading rich to draw boxes would double the time of --help
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

wandb_verbs = typer.Typer(help="The mirror in Weights & Biases.", no_args_is_help=True)
app.add_typer(wandb_verbs, name="wandb")

COMPLETE, INCOMPLETE, USAGE, PREFLIGHT, GATE, INTERNAL, INTERRUPTED = 0, 1, 2, 3, 4, 5, 130

SuiteFile = Annotated[str, typer.Argument(metavar="SUITE", help="A suite file, or the name of a shipped one.")]
StoreFolder = Annotated[
    Path, typer.Option("--store", envvar="HARNESS_STORE", help="Where records, checkpoints and logs lie.")
]
Setting = Annotated[
    list[str], typer.Option("--set", metavar="A.B=C", help="Override one value of the suite; may be repeated.")
]
Only = Annotated[list[str], typer.Option("--only", metavar="GLOB", help="Only cells whose name matches; repeatable.")]
Seeds = Annotated[str | None, typer.Option("--seeds", metavar="0,1 or 0-4", help="These seeds instead of the suite's.")]
AsJson = Annotated[bool, typer.Option("--json", help="Events as JSON lines instead of a live view.")]
DEFAULT_STORE = Path("runs")


@app.command()
def run(
    suite: SuiteFile,
    store: StoreFolder = DEFAULT_STORE,
    set_: Setting = [],  # noqa: B006 - typer copies it
    only: Only = [],  # noqa: B006
    seeds: Seeds = None,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Also run cells that failed before.")] = False,
    local: Annotated[
        bool, typer.Option("--local", help="In this process: no Ray, one rank, a debugger works.")
    ] = False,
    address: Annotated[str | None, typer.Option(help="A running Ray cluster; else Ray starts on this machine.")] = None,
    slots: Annotated[int | None, typer.Option(min=1, help="At most so many ranks at once; default: all.")] = None,
    json: AsJson = False,
) -> None:
    """Run what is not done, print the board.

    Interrupt and repeat at will: nothing finished is lost.
    """
    from harness.run import Where, run_suite

    sys.exit(
        run_suite(
            suite,
            store=store,
            sets=set_,
            only=only,
            seeds=seeds,
            retry_failed=retry_failed,
            where=Where(local=local, address=address, slots=slots),
            json_lines=json,
        )
    )


@app.command()
def plan(
    suite: Annotated[str | None, typer.Argument(metavar="SUITE", help="A suite file, or a shipped one's name.")] = None,
    store: StoreFolder = DEFAULT_STORE,
    set_: Setting = [],  # noqa: B006
    only: Only = [],  # noqa: B006
    seeds: Seeds = None,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON schema of suites, for editors.")] = False,
    json: Annotated[bool, typer.Option("--json", help="The plan as JSON.")] = False,
) -> None:
    """Check a suite, show its cells.

    Each is new, done, changed (which setting), failed, or not applicable (why). Nothing is run or written.
    """
    if suite is None and not schema:
        _usage("name a suite, or ask for --schema")
    from harness import preview
    from harness.planning import plan_suite

    if suite is None:
        preview.print_schema()
        return
    planned = plan_suite(suite, sets=set_, seeds=seeds, only=only)
    if json:
        preview.print_plan_as_json(planned)
    else:
        preview.print_plan(planned, store)


@app.command()
def status(
    store: StoreFolder = DEFAULT_STORE,
) -> None:
    """What is done, running, failed, to do.

    Read from the store alone, so that it works from any terminal while a run goes on, and after it.
    """
    from harness import verbs

    verbs.print_status(store)


@app.command()
def logs(
    cell: Annotated[str, typer.Argument(metavar="CELL", help='As the plan names it, e.g. "sdae/rectangles/0".')],
    store: StoreFolder = DEFAULT_STORE,
) -> None:
    """What happened to one cell.

    Its steps with their times and results, warnings, and what failed, with the traceback.
    """
    from harness import verbs

    verbs.print_log(cell, store)


@app.command()
def leaderboard(
    suite: Annotated[
        str | None, typer.Argument(metavar="SUITE", help="Only this suite's cells, as planned now; else all.")
    ] = None,
    store: StoreFolder = DEFAULT_STORE,
    format_: Annotated[
        str, typer.Option("--format", help="table, markdown, csv, json, latex, or parquet (with --output).")
    ] = "table",
    output: Annotated[Path | None, typer.Option(help="Write to this file instead of the terminal.")] = None,
) -> None:
    """Rank what the store holds.

    With intervals over seeds, controls, and what each method cost.
    """
    from harness import verbs

    verbs.print_leaderboard(_planned(suite), store, format_, output)


@app.command()
def report(
    suite: Annotated[str | None, typer.Argument(metavar="SUITE", help="Only this suite's cells.")] = None,
    store: StoreFolder = DEFAULT_STORE,
) -> None:
    """Write the HTML page anew.

    One self-contained file, report.html in the store: board, learning curves, learned filters, provenance.
    """
    from harness import verbs

    verbs.print_report(_planned(suite), store)


@app.command(name="list")
def list_(
    what: Annotated[
        str | None, typer.Argument(metavar="WHAT", help="methods, datasets, protocols or suites; default: all.")
    ] = None,
) -> None:
    """What suites can name."""
    from harness import preview

    preview.print_listing(what)


@app.command()
def doctor(
    store: StoreFolder = DEFAULT_STORE,
) -> None:
    """Check this machine.

    Can it run suites? Where it cannot, what is to be done?
    """
    from harness import preview

    sys.exit(COMPLETE if preview.print_checks(store) else PREFLIGHT)


@wandb_verbs.command()
def sync(
    store: StoreFolder = DEFAULT_STORE,
    project: Annotated[str | None, typer.Option(help="In place of the suites' own.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list what would be pushed.")] = False,
) -> None:
    """Push the offline runs to W&B.

    First those that are not mirrored yet are. What the server has got is not pushed again.
    """
    from harness.report import wandb_sync

    sys.exit(COMPLETE if wandb_sync.sync(store, project=project, dry_run=dry_run) else INCOMPLETE)


def _planned(suite: str | None) -> Plan | None:
    """The plan of a suite as it is now; planning needs the rosters, and they need torch."""
    if suite is None:
        return None
    from harness.planning import plan_suite

    return plan_suite(suite)


def _usage(message: str) -> NoReturn:
    typer.secho(f"harness: {message}", err=True, fg=typer.colors.RED)
    sys.exit(USAGE)


def main() -> None:
    """The entry point: every failure becomes a message and an exit code; none becomes a traceback."""
    from harness.failures import explained

    with explained():
        app(prog_name="harness")
