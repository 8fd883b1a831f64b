"""Data flows one way: no room of the house imports a higher one. Each rule is shown to fail on a line that breaks it."""

import ast
import sys
from pathlib import Path

import pytest

SRC = Path(__file__).parents[2] / "src" / "whygap"

ORDER = (
    "errors", "by_name", "records", "trials", "estimate", "audit", "observation", "rungs", "choice", "parts", "ladder",
    "process", "store_file", "store_experiments", "store", "verdict", "answers", "report",
    "logs", "adapters", "lab", "probe", "demo", "terminal", "cli_lab", "cli_probe", "cli",
)  # fmt: skip
"""From low to high; a room may import itself and what stands before it."""

MAY_IMPORT = {
    "estimate": {"errors", "records", "estimate"},
    "audit": {"errors", "records", "audit"},
    "answers": {"errors", "records", "trials", "estimate", "answers"},
    "process": {"errors", "records", "process"},
    "logs": {"errors", "by_name", "records", "trials", "estimate", "logs"},
}
MUST_NOT_IMPORT = {
    "verdict": {"store", "store_file", "report"},
    "report": {"store", "store_file", "adapters", "demo"},
}
PACKAGES_OF_ESTIMATE = {"numpy", "scipy"}
FRAMEWORKS = {"torch", "keras", "jax", "tensorflow", "datasets"}


def imports(source, module):
    """Yield (line, dotted name, whether it runs when the module is imported) of every import in a module's source."""
    package = module.split(".")[:-1]

    def walk(node, runs):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name, runs) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = [node.module] if node.module else []
            if node.level:
                base = package[: len(package) - node.level + 1] + base
            yield from ((node.lineno, ".".join([*base, alias.name]), runs) for alias in node.names)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            runs = False
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            runs = False
        for child in ast.iter_child_nodes(node):
            yield from walk(child, runs)

    yield from walk(ast.parse(source), True)


def room_of(dotted):
    """Return the room of a name below `whygap`, or None: another package, or the root with the version."""
    parts = dotted.split(".")
    return parts[1] if parts[0] == "whygap" and len(parts) > 1 and not parts[1].startswith("__") else None


def faults(source, module):
    """Return every breach of the layers in a module's source, as one line each."""
    own = room_of(module)
    if own is None:
        return [f"{module}:{line} imports the command" for line, name, _ in imports(source, module) if room_of(name) == "cli"]
    if own not in ORDER:
        return [f"{module}: the room {own} has no place in ORDER yet"]
    found = []
    for line, name, runs in imports(source, module):
        room, package, at = room_of(name), name.split(".")[0], f"{module}:{line} imports {name}"
        if name.startswith("scipy.stats"):
            found.append(f"{at}: it takes 1.4 s; scipy.special has the same functions")
        if package in FRAMEWORKS and runs and own != "adapters" and not module.startswith("whygap.process.loaders."):
            found.append(f"{at}: frameworks belong into adapters and loaders, or into functions")
        if package == "whygap" and room is None and own != "cli":
            found.append(f"{at}: the root is above every room")
        if own == "estimate" and package != "whygap" and package not in PACKAGES_OF_ESTIMATE | sys.stdlib_module_names:
            found.append(f"{at}: estimate knows NumPy and SciPy only")
        if room is None:
            continue
        if room not in ORDER:
            found.append(f"{at}: the room {room} has no place in ORDER yet")
        elif ORDER.index(room) > ORDER.index(own):
            found.append(f"{at}: {room} is above {own}")
        elif room not in MAY_IMPORT.get(own, {room}) or room in MUST_NOT_IMPORT.get(own, ()):
            found.append(f"{at}: {own} must not know {room}")
    return found


def module_of(path):
    return ".".join(["whygap", *path.relative_to(SRC).with_suffix("").parts])


@pytest.mark.parametrize("path", sorted(SRC.rglob("*.py")), ids=lambda path: module_of(path))
def test_no_room_imports_a_higher_one(path):
    assert faults(path.read_text(encoding="utf-8"), module_of(path)) == []


def test_every_room_in_the_order_exists():
    assert [room for room in ORDER if not (SRC / room).is_dir() and not (SRC / f"{room}.py").is_file()] == []


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("whygap.records", "from whygap.ladder import build_epoch_gap"),
        ("whygap.ladder", "import whygap.store"),
        ("whygap.ladder", "from whygap import store"),
        ("whygap.ladder", "def f():\n    from whygap.verdict import judge"),
        ("whygap.estimate.finite", "from ..ladder import build_epoch_gap"),
        ("whygap.estimate.__init__", "from ..ladder import build_epoch_gap"),
        ("whygap.estimate.finite", "from whygap.observation import Observation"),
        ("whygap.estimate.finite", "import pandas"),
        ("whygap.estimate.finite", "from scipy import stats"),
        ("whygap.estimate.finite", "def f():\n    import scipy.stats"),
        ("whygap.adapters.keras", "from scipy.stats import norm"),
        ("whygap.process.sequences", "from whygap.estimate import skewness"),
        ("whygap.verdict.judge", "from whygap.store import Store"),
        ("whygap.report.page", "from whygap.store import Store"),
        ("whygap.report.page", "if TYPE_CHECKING:\n    from whygap.adapters.session import Session"),
        ("whygap.demo", "from whygap.cli import main"),
        ("whygap.__init__", "from whygap.cli import main"),
        ("whygap.demo", "import keras"),
        ("whygap.process.stream", "import torch"),
        ("whygap.process.loaders.torch", "from whygap.adapters.torch import Meter"),
        ("whygap.store", "try:\n    import torch\nexcept ImportError:\n    torch = None"),
        ("whygap.store", "from whygap import __version__"),
        ("whygap.cellar", "import math"),
        ("whygap.ladder", "from whygap.cellar import wine"),
    ],
)
def test_a_breach_is_found(module, source):
    assert len(faults(source, module)) == 1


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("whygap.demo", "def load():\n    import keras"),
        ("whygap.adapters.torch", "import torch\nfrom whygap.adapters.session import Session"),
        ("whygap.process.loaders.torch", "import torch\nfrom whygap.process.stream import Stream"),
        ("whygap.cli", "from whygap import __version__"),
        ("whygap.estimate.finite", "from scipy.special import stdtrit\nimport math\nfrom . import interval"),
        ("whygap.report.page", "if TYPE_CHECKING:\n    import torch"),
    ],
)
def test_what_is_allowed_is_not_found(module, source):
    assert faults(source, module) == []
