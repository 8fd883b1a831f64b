"""Texts that the readers were not written against are read to their numbers."""

import numpy as np
import pytest
from tests.logs.pasted_samples import SAMPLES

from whygap.logs import read_log
from whygap.logs.pairs import paired_scores


@pytest.mark.parametrize(("text", "numbers"), [s[1:] for s in SAMPLES], ids=[s[0] for s in SAMPLES])
def test_a_pasted_text_is_read_to_its_numbers(text, numbers, tmp_path):
    path = tmp_path / "pasted"
    path.write_text(text, encoding="utf-8")
    (run,) = read_log(str(path))
    for score, expected in numbers.items():
        for split, values in zip(("train", "valid"), expected, strict=True):
            if values is not None:
                np.testing.assert_array_equal(run.of(score, split).value, values)
        assert None in expected or score in paired_scores(run)
