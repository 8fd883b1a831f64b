"""Every public thing says what it is, and everything that raises says when."""

import ast
from pathlib import Path

import pytest

SRC = Path(__file__).parents[2] / "src" / "whygap"
ERRORS = {
    node.name
    for node in ast.parse((SRC / "errors.py").read_text(encoding="utf-8")).body
    if isinstance(node, ast.ClassDef) and node.name.endswith("Error")
}
FUNCTION = (ast.FunctionDef, ast.AsyncFunctionDef)


def own_nodes(node):
    """Yield the nodes of a function's body that run in it: not those of functions defined inside, nor what a `try` catches."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (*FUNCTION, ast.Lambda, ast.ClassDef)):
            continue
        if isinstance(child, ast.Try) and child.handlers:
            for part in (*child.handlers, *child.orelse, *child.finalbody):
                yield from own_nodes(part)
            continue
        if isinstance(child, ast.With) and any("shield" in ast.unparse(item) for item in child.items):
            continue  # it lets nothing through
        yield child
        yield from own_nodes(child)


def raises(function):
    """Return whether a function's own lines raise an error of whygap."""
    for node in own_nodes(function):
        if isinstance(node, ast.Raise) and node.exc is not None:
            name = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
            if isinstance(name, ast.Name) and name.id in ERRORS:
                return True
    return False


def calls(function):
    """Return the names of the functions, and of the methods of `self`, that a function calls."""
    found = set()
    for node in own_nodes(function):
        if isinstance(node, ast.Call):
            f = node.func
            if isinstance(f, ast.Name):
                found.add(f.id)
            elif isinstance(f, ast.Attribute) and isinstance(f.value, ast.Name) and f.value.id == "self":
                found.add(f.attr)
    return found


def says(node):
    return "Raises\n" in (ast.get_docstring(node) or "")


def is_public(name):
    return not name.startswith("_")


def faults(source):
    """Return which public things of a module's source lack a docstring, or don't say that they raise, as one line each."""
    tree = ast.parse(source)
    found = [] if ast.get_docstring(tree) else ["the module has no docstring"]
    functions = [node for node in ast.walk(tree) if isinstance(node, FUNCTION)]
    documented = {f.name for f in functions if says(f)}
    raising = {f.name for f in functions if raises(f) or calls(f) & documented}
    for node in tree.body:
        if isinstance(node, (*FUNCTION, ast.ClassDef)) and is_public(node.name) and not ast.get_docstring(node):
            found.append(f"{node.name} has no docstring")
        if isinstance(node, FUNCTION) and is_public(node.name) and node.name in raising and not says(node):
            found.append(f"{node.name} doesn't document what it raises")
        if isinstance(node, ast.ClassDef) and is_public(node.name):
            for method in (m for m in node.body if isinstance(m, FUNCTION) and m.name in raising):
                if method.name == "__init__" and not says(node):
                    found.append(f"{node.name} doesn't document what making one raises")
                if is_public(method.name) and not says(method):
                    found.append(f"{node.name}.{method.name} doesn't document what it raises")
    return found


@pytest.mark.parametrize("path", sorted(SRC.rglob("*.py")), ids=lambda path: str(path.relative_to(SRC)))
def test_docstrings(path):
    assert faults(path.read_text(encoding="utf-8")) == []


def test_the_errors_are_known():
    assert {"WhygapError", "InputError", "StoreError", "MissingPackageError"} <= ERRORS


DOC = '"""A module."""\n'
SHORT = '"""Do it."""'
NO = "raise InputError('no')"
LONG = '"""Do it.\n\n    Raises\n    ------\n    InputError\n        Always.\n    """'


@pytest.mark.parametrize(
    "source",
    [
        "x = 1",
        f"{DOC}def f(): ...",
        f"{DOC}async def f(): ...",
        f"{DOC}class C: ...",
        f"{DOC}def f():\n    {SHORT}\n    {NO}",
        f"{DOC}def f():\n    {SHORT}\n    if x:\n        raise StoreError",
        f"{DOC}def f():\n    {SHORT}\n    _g()\ndef _g():\n    {LONG}",
        f"{DOC}def f():\n    {SHORT}\n    try:\n        x()\n    except KeyError as e:\n        {NO} from e",
        f"{DOC}class C:\n    {SHORT}\n    def __init__(self):\n        {NO}",
        f"{DOC}class C:\n    {SHORT}\n    def f(self):\n        {NO}",
        f"{DOC}class C:\n    {SHORT}\n    def f(self):\n        self._g()\n    def _g(self):\n        {LONG}",
    ],
)
def test_a_lack_is_found(source):
    assert len(faults(source)) == 1


@pytest.mark.parametrize(
    "source",
    [
        f"{DOC}def _f():\n    {NO}",
        f"{DOC}def f():\n    {LONG}\n    {NO}",
        f"{DOC}def f():\n    {SHORT}\n    raise AttributeError('no')",
        f"{DOC}def f():\n    {SHORT}\n    try:\n        _g()\n    except InputError:\n        pass\ndef _g():\n    {LONG}",
        f"{DOC}def f():\n    {SHORT}\n    with session.shield('doing it'):\n        {NO}",
        f"{DOC}def f():\n    {SHORT}\n    def g():\n        {NO}\n    return g",
        f"{DOC}class C:\n    {SHORT}\n    def short(self): ...",
    ],
)
def test_what_is_in_order_is_not_found(source):
    assert faults(source) == []
