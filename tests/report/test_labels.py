"""Plain words for everything that a record can name, in colours that everyone can tell apart."""

from __future__ import annotations

import itertools
from typing import get_args

import numpy as np
import pytest

from whygap.records import CAUSES, How, RungName, Score
from whygap.report.labels import (
    CAUSE_LABELS,
    HOW_WORDS,
    RUNG_AFTER,
    RUNG_LABELS,
    TRAIN_RUNGS,
    UNATTRIBUTED,
    gap_in_words,
    validation_side,
)

# Viénot, Brettel and Mollon's kind of projection, as fitted by Machado et al. (doi:10.1109/TVCG.2009.113), full severity.
PROTANOPIA = np.array([[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]])
DEUTERANOPIA = np.array([[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]])
STACKED = [c for c in RUNG_AFTER if c != "generalisation"]  # it shares memorisation's colour, and never stands beside it


def linear(colour):
    rgb = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def luminance(colour):
    return float(linear(colour) @ [0.2126, 0.7152, 0.0722])


def oklab(rgb):
    """Björn Ottosson's perceptual space, in which a distance of 0.02 is just noticeable."""
    lms = np.array(
        [[0.41222147, 0.53633254, 0.05144599], [0.2119035, 0.6806995, 0.10739696], [0.08830246, 0.28171884, 0.6299787]]
    )
    lab = np.array(
        [[0.21045426, 0.79361779, -0.00407205], [1.9779985, -2.42859221, 0.45059371], [0.02590404, 0.78277177, -0.80867577]]
    )
    return lab @ np.cbrt(np.clip(lms @ rgb, 0, None))


def distance(a, b):
    views = (np.eye(3), PROTANOPIA, DEUTERANOPIA)
    return min(float(np.linalg.norm(oklab(np.clip(v @ linear(a), 0, 1)) - oklab(np.clip(v @ linear(b), 0, 1)))) for v in views)


def test_every_cause_rung_and_how_has_its_words():
    assert set(CAUSE_LABELS) == set(CAUSES)
    assert set(RUNG_LABELS) == set(get_args(RungName))
    assert set(HOW_WORDS) == set(get_args(How))
    assert set(RUNG_AFTER.values()) | set(TRAIN_RUNGS) <= set(RUNG_LABELS)
    for label in (*CAUSE_LABELS.values(), *RUNG_LABELS.values(), UNATTRIBUTED):
        assert label.meaning.endswith(".")
        assert 0 < len(label.short) <= 23  # what the ladder has room for at 80 columns


def test_names_are_told_apart():
    for labels in (CAUSE_LABELS, RUNG_LABELS):
        assert len({label.short for label in labels.values()}) == len(labels)


@pytest.mark.parametrize("cause", [*CAUSES, None])
def test_colours_stand_out_from_light_and_dark_pages(cause):
    colour = (UNATTRIBUTED if cause is None else CAUSE_LABELS[cause]).colour
    on_white = 1.05 / (luminance(colour) + 0.05)
    on_dark = (luminance(colour) + 0.05) / (luminance("#121212") + 0.05)
    assert min(on_white, on_dark) >= 3.0


def test_stacked_colours_differ_for_colour_blind_readers_too():
    colours = {c: CAUSE_LABELS[c].colour for c in STACKED} | {"unattributed": UNATTRIBUTED.colour}
    for a, b in itertools.combinations(colours.values(), 2):
        assert distance(a, b) >= 0.055
    for a, b in itertools.pairwise(colours.values()):  # these touch
        assert distance(a, b) >= 0.07


@pytest.mark.parametrize(
    ("difference", "loss", "accuracy"), [(-0.1, "better", "worse"), (0.1, "worse", "better"), (0.0, "level", "level")]
)
def test_which_side_looks_better_depends_on_the_score(difference, loss, accuracy):
    assert validation_side(difference, Score()) == loss
    assert validation_side(difference, Score(name="accuracy", higher_is_better=True)) == accuracy


def test_a_gap_whose_interval_holds_zero_is_within_chance(build):
    assert gap_in_words(build.estimate(-0.1, 0.2), Score()) == "validation looks better, within chance"
    assert gap_in_words(build.estimate(-0.1, 0.05), Score()) == "validation looks better"
    assert gap_in_words(build.estimate(-0.1), Score()) == "validation looks better"
