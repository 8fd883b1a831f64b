"""Compiled programs of the tests stay in a folder of their own."""

import pytest


@pytest.fixture(autouse=True, scope="session")
def _cache_apart(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WHYGAP_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield
