"""Everything that whygap raises or warns with, so that a caller can catch one thing."""


class WhygapError(Exception):
    """Base of all errors raised by whygap; its text is one line that names what and where."""


class InputError(WhygapError, ValueError):
    """What was handed over can't be used: an empty validation set, a loss that is not per example."""


class StoreError(WhygapError):
    """The store can't be opened, read or written."""


class MissingPackageError(WhygapError, ImportError):
    """An optional package isn't installed; the text gives the line that installs it."""


class WhygapWarning(UserWarning):
    """Something in whygap failed while a training run went on; shown once per run and cause."""
