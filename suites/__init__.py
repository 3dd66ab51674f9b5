"""The suites that are shipped: YAML beside this file, found by name from an installed package too."""

from __future__ import annotations

from pathlib import Path

_FOLDER = Path(__file__).parent


def shipped() -> tuple[str, ...]:
    """Names of the shipped suites."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.yaml")))


def locate(suite: str) -> Path | None:
    """The file that a user means: the path if there is something; else a shipped suite, named "quick",
    "quick.yaml" or "suites/quick.yaml". None where there is neither."""
    path = Path(suite)
    try:
        if path.exists():
            return path
    except (OSError, ValueError):  # too long, or a null byte
        return None
    named = path.parent in (Path(), Path("suites")) and path.suffix in ("", ".yaml")
    return _FOLDER / f"{path.stem}.yaml" if named and path.stem in shipped() else None
