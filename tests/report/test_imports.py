"""The room opens fast: what it needs is imported when it is used."""

from __future__ import annotations

import subprocess
import sys

import pytest

import whygap.report


def test_importing_the_room_imports_no_reporting_package():
    heavy = ["altair", "vl_convert", "jinja2", "rich"]
    code = f"import sys, whygap.report; print([m for m in {heavy} if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


def test_every_public_name_is_there():
    assert whygap.report.__all__ == sorted(whygap.report.__all__)
    for name in whygap.report.__all__:
        assert callable(getattr(whygap.report, name))
    assert dir(whygap.report) == whygap.report.__all__
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        whygap.report.nothing  # noqa: B018
