"""Every test runs strictly (a failure inside whygap raises) and keeps its runs in a folder of its own."""

import os

import pytest

os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ.setdefault("OMP_NUM_THREADS", "1")  # two workers with two threads each wait for one another most of the time


@pytest.fixture(autouse=True)
def _strict_and_apart(monkeypatch, tmp_path):
    monkeypatch.setenv("WHYGAP_STRICT", "1")
    monkeypatch.setenv("WHYGAP_STORE", str(tmp_path / "whygap.db"))
