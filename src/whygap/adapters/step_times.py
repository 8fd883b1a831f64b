"""What our lines at the batches of an epoch take: told from some of them, as clocks at every batch would cost as much."""

from __future__ import annotations

from statistics import median


class StepTimes:
    """Seconds of one epoch, which `began` at that time, in the accounts that they belong to.

    `visits` is the time of seeing batches that are sampled, `others` of all else that is timed whole. `counting` and
    `recording` are what it took to count a batch and to record one, of each of those that were looked at.
    """

    def __init__(self, began: float = 0.0) -> None:
        self.began = began
        self.visits = self.others = 0.0
        self.counting: list[float] = []
        self.recording: list[float] = []

    def of_rest(self, n_batches: int) -> float:
        """Return the seconds that all but the visits took, with `n_batches` that were counted and recorded.

        By the middle one of each, as the first of an epoch takes many times what others do.

        Examples
        --------
        >>> times = StepTimes()
        >>> times.others, times.counting, times.recording = 0.5, [9.0, 1.0, 1.0], [2.0]
        >>> times.of_rest(10)
        30.5
        """
        return self.others + n_batches * sum(median(seconds) for seconds in (self.counting, self.recording) if seconds)
