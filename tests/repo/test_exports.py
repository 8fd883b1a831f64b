"""What a package offers is what it says, and importing it costs nothing that is not used."""

import ast
import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

SRC = Path(__file__).parents[2] / "src"
PACKAGES = sorted((SRC / "whygap").rglob("__init__.py"))
FRAMEWORKS = ("torch", "keras", "jax", "tensorflow", "datasets", "sklearn", "pandas")
FOR_FRAMEWORKS = {"adapters", "loaders"}
"""Folders whose modules import the framework that they are for."""


def module_of(path):
    parts = path.relative_to(SRC).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def offered(source):
    """Return the public names that a package's own lines bind: defined there, or imported from within whygap."""
    names = set()
    for node in ast.parse(source).body:
        if isinstance(node, ast.ImportFrom) and (node.level or (node.module or "").startswith("whygap")):
            names |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {target.id for target in targets if isinstance(target, ast.Name)}
    return {name for name in names if not name.startswith("_")}


def rank(name):
    """Return a key that puts constants first, then classes, then functions, as the linter sorts."""
    return 0 if name.isupper() else 1 if name[0].isupper() else 2, name


def faults(source, module):
    """Return what is wrong with the `__all__` of a package, as one line each."""
    said = getattr(module, "__all__", None)
    if said is None:
        return ["it offers names and has no __all__"] if offered(source) else []
    found = []
    if list(said) != sorted(set(said), key=rank):
        found.append("__all__ is not sorted, or names something twice")
    if missing := [name for name in said if not hasattr(module, name)]:
        found.append(f"__all__ names what is not there: {missing}")
    if unsaid := sorted(offered(source) - set(said)):
        found.append(f"__all__ leaves out {unsaid}")
    return found


def loaded_by(modules, watched, path=None):
    """Import `modules` in a fresh interpreter, in order, and return what of `watched` each was the first to load."""
    code = (
        "import importlib, json, sys\n"
        f"seen, found = set(), {{}}\n"
        f"sys.path[:0] = {[str(path)] if path else []}\n"
        f"for name in {list(modules)}:\n"
        "    importlib.import_module(name)\n"
        f"    new = {{m for m in {list(watched)} if m in sys.modules}} - seen\n"
        "    seen |= new\n"
        "    if new: found[name] = sorted(new)\n"
        "print(json.dumps(found))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("path", PACKAGES, ids=module_of)
def test_all_is_sorted_and_is_what_can_be_imported(path):
    assert faults(path.read_text(encoding="utf-8"), importlib.import_module(module_of(path))) == []


def test_importing_whygap_imports_neither_scipy_nor_a_framework_nor_a_plotting_library():
    assert loaded_by(["whygap"], ["scipy", "altair", "rich", *FRAMEWORKS]) == {}


def test_no_module_outside_the_adapters_and_loaders_imports_a_framework():
    modules = [
        module_of(p) for p in sorted((SRC / "whygap").rglob("*.py")) if not FOR_FRAMEWORKS & set(p.relative_to(SRC).parts)
    ]
    assert len(modules) > 20
    assert loaded_by(modules, FRAMEWORKS) == {}


class Package:
    """Stands for an imported package."""

    def __init__(self, **names):
        self.__dict__.update(names)


@pytest.mark.parametrize(
    ("source", "module"),
    [
        ("from whygap.a import b", Package(b=1)),
        ("from whygap.a import a, b", Package(a=1, b=1, __all__=["b", "a"])),
        ("from whygap.a import a", Package(a=1, __all__=["a", "a"])),
        ("from whygap.a import a", Package(a=1, __all__=["a", "b"])),
        ("from whygap.a import a, b", Package(a=1, b=1, __all__=["a"])),
        ("from .a import b as c", Package(c=1, __all__=[])),
        ("def a(): ...", Package(a=1, __all__=[])),
        ("LIMIT: int = 3", Package(LIMIT=3, __all__=[])),
    ],
)
def test_a_wrong_all_is_found(source, module):
    assert len(faults(source, module)) == 1


def test_what_is_private_or_of_others_need_not_be_in_all():
    source = (
        "from importlib import import_module\nfrom whygap.a import a\n_HOME = 1\n__version__ = '1'\ndef __getattr__(name): ..."
    )
    assert faults(source, Package(a=1, __all__=["a"])) == []


def test_an_import_of_a_framework_is_found(tmp_path):
    (tmp_path / "torch.py").write_text("")
    (tmp_path / "a_module.py").write_text("")
    (tmp_path / "a_user.py").write_text("import torch")
    assert loaded_by(["a_module", "a_user"], FRAMEWORKS, tmp_path) == {"a_user": ["torch"]}
