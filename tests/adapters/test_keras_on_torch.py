"""The same contract on the other backend: a process has one, so that this takes another process."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize(
    ("name", "least"),
    [("test_keras.py", 20), ("test_keras_promise.py", 36), ("test_keras_budget.py", 10), ("test_keras_rungs.py", 20)],
)
def test_the_callback_keeps_its_contract_on_the_torch_backend(name, least):
    tests = str(Path(__file__).with_name(name))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", "0", tests]
    environment = os.environ | {"KERAS_BACKEND": "torch"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stdout[-5000:]
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed
    assert int(passed.group(1)) >= least
