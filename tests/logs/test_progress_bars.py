"""What a bar of tqdm shows."""

import pytest

from whygap.logs.progress_bars import find_bar


@pytest.mark.parametrize(
    ("text", "before", "done", "unit", "after"),
    [
        ("Epoch 3: 100%|███| 469/469 [00:05<00:00, 90.1it/s, loss=0.3]", "Epoch 3: ", "469", "it", "loss=0.3"),
        ("100%|###| 9/9 [00:05<00:00,  1.5s/it]", "", "9", "it", ""),
        (" 50%|█▌ | 1/2 [00:01<00:01,  1.0s/epoch, loss=0.5, val_loss=0.4]", " ", "1", "epoch", "loss=0.5, val_loss=0.4"),
        ("  0%|   | 0/2 [00:00<?, ?it/s]", "  ", "0", "it", ""),
        ("50%|█| 1/2 [00:01<00:01, 1it/s]100%|█| 2/2 [00:02<00:00, 1it/s, a=1]", "", "2", "it", "a=1"),
    ],
)
def test_a_bar_is_taken_apart(text, before, done, unit, after):
    bar = find_bar(text)
    assert (bar.before, bar.done, bar.unit, bar.after) == (before, done, unit, after)
    assert bar.is_full == (bar.done == bar.total)


@pytest.mark.parametrize("text", ["", "50%", "50% | 3", "469/469 [====] - 5s", "100%|████"])
def test_what_is_no_bar(text):
    assert find_bar(text) is None
