"""How much disk each dependency takes: alone, and with what it brings.

python benchmarks/dependency_sizes.py
"""

from __future__ import annotations

import importlib.metadata as metadata
from pathlib import Path

from packaging.requirements import Requirement


def size_mb(name: str) -> float:
    """Return the size of a package's installed files in megabytes."""
    files = metadata.files(name) or []
    paths = (Path(str(f.locate())) for f in files)
    return sum(p.stat().st_size for p in paths if p.exists()) / 1e6


def with_what_it_brings(name: str, found: set[str]) -> set[str]:
    """Add the package and everything that it requires on this machine to `found`."""
    if name in found:
        return found
    found.add(name)
    for line in metadata.requires(name) or []:
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            with_what_it_brings(requirement.name.lower().replace("_", "-"), found)
    return found


def main() -> None:
    """Print a table of whygap's own requirements, extras included."""
    default: set[str] = set()
    for line in metadata.requires("whygap") or []:
        requirement = Requirement(line)
        if requirement.name == "whygap":
            continue
        try:
            brought = with_what_it_brings(requirement.name, set())
        except metadata.PackageNotFoundError:
            continue
        if requirement.marker is None:
            default |= brought
        total = sum(map(size_mb, brought))
        extra = "" if requirement.marker is None else str(requirement.marker)
        version = metadata.version(requirement.name)
        print(
            f"{requirement.name:20} {version:16} {size_mb(requirement.name):7.1f} MB, "
            f"with {len(brought) - 1:2d} more {total:7.1f} MB  {extra}"
        )
    print(f"default dependencies together: {len(default)} packages, {sum(map(size_mb, default)):.0f} MB")


if __name__ == "__main__":
    main()
