"""Where compiled programs stay, so that a shape is compiled once on a machine and not once in every process."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from platformdirs import user_cache_path

from whygap.errors import MissingPackageError


def cache_folder() -> Path:
    """Return the folder for what can be computed again: WHYGAP_CACHE, or the system's own place for such files."""
    named = os.environ.get("WHYGAP_CACHE")
    return Path(named) if named else user_cache_path("whygap")


def keep_programs() -> None:
    """Tell JAX to keep compiled programs on disk, unless the user has told it where to.

    Raises
    ------
    MissingPackageError
        As `import_jax`.
    """
    jax = import_jax()
    if jax.config.jax_compilation_cache_dir is None:
        jax.config.update("jax_compilation_cache_dir", str(cache_folder() / "programs"))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)


def import_jax() -> Any:
    """Return JAX.

    Raises
    ------
    MissingPackageError
        If JAX or optax isn't installed.
    """
    try:
        import jax
        import optax  # noqa: F401 - whoever trains needs both, and one message for both is enough
    except ImportError as error:
        raise MissingPackageError(f"the lab needs {error.name}: pip install 'whygap[lab]'") from error
    return jax
