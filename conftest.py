"""Every test runs strictly (a failure inside whygap raises) and keeps its runs in a folder of its own."""

import os
import secrets
import shutil
import tempfile

import pytest

os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ.setdefault("OMP_NUM_THREADS", "1")  # two workers with two threads each wait for one another most of the time


@pytest.fixture(autouse=True)
def _strict_and_apart(monkeypatch, tmp_path):
    monkeypatch.setenv("WHYGAP_STRICT", "1")
    monkeypatch.setenv("WHYGAP_STORE", str(tmp_path / "whygap.db"))


@pytest.fixture(scope="session")
def ray_apart():
    """An environment whose clusters share no folder or token with any other: tests may run beside one another.

    One for all of a process: Ray reads the token once.
    """
    folder = tempfile.mkdtemp(prefix="wg", dir="/tmp")  # short: a socket's path has 107 bytes
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_TMPDIR", folder)
        patch.setenv("RAY_AUTH_TOKEN", secrets.token_hex(32))
        patch.setenv("RAY_worker_niceness", "0")  # 15 otherwise: beside other tests workers would get next to nothing
        patch.delenv("RAY_ADDRESS", raising=False)
        yield folder
    shutil.rmtree(folder, ignore_errors=True)
