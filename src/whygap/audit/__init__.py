"""What a model was really shown: how often each example was presented, told from the contents of the batches.

NumPy, SciPy and xxhash only; hand it the batches of any framework.
"""

from whygap.audit.contents import hash_example, hash_examples, is_batch
from whygap.audit.findings import Believed
from whygap.audit.histories import CAPACITY, EPOCHS, Histories
from whygap.audit.overlap import Overlap, find_overlap
from whygap.audit.pool_size import PoolSize, estimate_pool_size
from whygap.audit.regime import Source, tell_source
from whygap.audit.repetition import judge_repetition
from whygap.audit.tally import Tallied, Tally
from whygap.audit.views import Views, are_stale

__all__ = [
    "CAPACITY",
    "EPOCHS",
    "Believed",
    "Histories",
    "Overlap",
    "PoolSize",
    "Source",
    "Tallied",
    "Tally",
    "Views",
    "are_stale",
    "estimate_pool_size",
    "find_overlap",
    "hash_example",
    "hash_examples",
    "is_batch",
    "judge_repetition",
    "tell_source",
]
