"""Trials whose truth is planted, at hand as `plant`."""

from types import SimpleNamespace

import pytest
from tests.planted_trials import a_grid, a_trial, an_experiment, some_trials


@pytest.fixture(scope="session")
def plant():
    return SimpleNamespace(trial=a_trial, cell=some_trials, grid=a_grid, experiment=an_experiment)
