"""The same contract on the other backend: a process has one, so that this takes another process."""

import os
import re
import subprocess
import sys
from pathlib import Path


def test_the_callback_keeps_its_contract_on_the_torch_backend():
    tests = [str(Path(__file__).with_name(name)) for name in ("test_keras.py", "test_keras_rungs.py")]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", "0", *tests]
    environment = os.environ | {"KERAS_BACKEND": "torch"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stdout[-5000:]
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed
    assert int(passed.group(1)) >= 70
