"""Runs made by hand: every number is chosen, so that what a report shows can be checked against it."""

from __future__ import annotations

import math
from types import SimpleNamespace

import msgspec
import pytest

from whygap.estimate import Moments, estimate_from
from whygap.records import (
    Cause,
    EpochGap,
    Estimate,
    Forecast,
    How,
    NotMeasured,
    Overfitting,
    Problem,
    RankedCause,
    Run,
    Rung,
    RungName,
    Score,
    Term,
    Verdict,
)

LOSS = Score(name="loss", unit=None)
ACCURACY = Score(name="accuracy", higher_is_better=True)
RUNG_AFTER: dict[Cause, RungName] = {
    "penalty": "data", "reduction": "visited", "averaging": "end_weights", "mode": "eval_mode", "augmentation": "clean_view",
    "criterion": "valid_criterion", "weights": "valid_weights", "memorisation": "fresh", "shift": "valid",
    "generalisation": "valid", "reduction_valid": "valid_reduced", "penalty_valid": "valid_reported",
}  # fmt: skip


def an_estimate(
    value: float, half: float = 0.0, *, how: How = "sampled", n: int = 256, reliable: bool = True, why: str = ""
) -> Estimate:
    return Estimate(value=value, low=value - half, high=value + half, how=how, n=n, reliable=reliable, why=why)


def an_epoch(
    epoch: int,
    train: float,
    terms: dict[Cause, float],
    *,
    score: Score = LOSS,
    half: float = 0.05,
    unattributed: float = 0.0,
    unreliable: tuple[Cause, ...] = (),
    not_measured: tuple[NotMeasured, ...] = (),
    rungs: bool = True,
    notes: tuple[str, ...] = (),
) -> EpochGap:
    """An epoch whose validation score is what the terms make of the training score; intervals are `half` of each value wide."""
    here = train
    built: list[Term] = []
    levels = [Rung(name="reported", estimate=an_estimate(train, how="exact"))]
    for cause, value in terms.items():
        here += value
        built.append(
            Term(
                cause=cause,
                estimate=an_estimate(
                    value,
                    abs(value) * half,
                    reliable=cause not in unreliable,
                    why="4 of 40 batches" if cause in unreliable else "",
                ),
            )
        )
        levels.append(Rung(name=RUNG_AFTER[cause], estimate=an_estimate(here, abs(here) * half)))
    valid = here + unattributed
    gap = math.fsum([*terms.values(), unattributed])
    return EpochGap(
        epoch=epoch,
        score=score,
        train_reported=train,
        valid_reported=valid,
        gap=an_estimate(gap, 0.2 * abs(gap) + 1e-4, how="exact", n=5000),
        terms=tuple(built),
        unattributed=gap - math.fsum(t.value for t in built),
        rungs=tuple(levels) if rungs else (),
        not_measured=not_measured,
        notes=notes,
        spent_s=0.031,
        evaluations=512,
    )


TRAIN = (0.106, 0.068, 0.062, 0.049, 0.037, 0.031, 0.026, 0.021, 0.015, 0.010, 0.006, 0.004)
VALID = (0.067, 0.062, 0.054, 0.042, 0.032, 0.028, 0.023, 0.018, 0.013, 0.008, 0.005, 0.003)
NO_FRESH = NotMeasured(cause="memorisation", why="there are no fresh examples of the training process")


def lstm_run() -> Run:
    """The case that whygap starts from: validation looks better in all 12 epochs, since training is averaged over the epoch."""
    epochs = []
    for epoch, (train, valid) in enumerate(zip(TRAIN, VALID, strict=True), 1):
        gap = valid - train
        terms: dict[Cause, float] = {"averaging": (0.94 + 0.05 * (-1) ** epoch) * gap, "mode": 0.03 * gap}
        terms["generalisation"] = gap - sum(terms.values())
        epochs.append(an_epoch(epoch, train, terms, not_measured=(NO_FRESH,)))
    return Run(
        id="lstm-1",
        source="keras",
        started="2026-03-01T10:00:00+00:00",
        epochs=tuple(epochs),
        versions={"whygap": "0.1.0", "keras": "3.12.0"},
        seeds={"keras": 7},
        finished=True,
    )


def many_terms_run(epochs: int = 8) -> Run:
    """A run in which nearly everything happens at once, some of it unreliable and some of it unexplained."""
    built = []
    for e in range(1, epochs + 1):
        fade = 1.0 / e
        terms: dict[Cause, float] = {
            "penalty": -0.21 * (0.6 + 0.4 * fade),
            "reduction": 0.012 * fade,
            "averaging": -0.34 * fade,
            "mode": -0.11 + 0.01 * fade,
            "augmentation": -0.06,
            "generalisation": 0.02 + 0.025 * e,
            "reduction_valid": -0.004,
            "penalty_valid": 0.21 * (0.6 + 0.4 * fade),
        }
        unreliable: tuple[Cause, ...] = ("mode",) if e < 3 else ()
        built.append(
            an_epoch(
                e,
                0.9 + 1.4 * fade,
                terms,
                half=0.12,
                unattributed=0.013 * fade,
                unreliable=unreliable,
                not_measured=(
                    NO_FRESH,
                    NotMeasured(cause="criterion", why="the validation loss could not be called on training examples"),
                ),
                score=Score(name="loss", unit="nats"),
            )
        )
    return Run(
        id="many-1",
        source="torch",
        started="2026-03-02T09:30:00+00:00",
        epochs=tuple(built),
        problems=(Problem(epoch=3, text="the validation loader was empty once"),),
        versions={"torch": "2.13.0"},
    )


def two_scores_run() -> Run:
    """Loss and accuracy of the same epochs, in the order of records: by epoch, then score."""
    epochs = []
    for e in range(1, 7):
        epochs.append(an_epoch(e, 0.9 / e, {"averaging": -0.3 / e, "mode": -0.05, "generalisation": 0.04 * e}))
        epochs.append(
            an_epoch(
                e,
                0.5 + 0.06 * e,
                {"averaging": 0.12 / e, "mode": 0.021, "generalisation": -0.01 * e},
                score=ACCURACY,
            )
        )
    return Run(id="two-1", source="keras", started="2026-03-03T09:30:00+00:00", epochs=tuple(epochs), finished=True)


def missing_gap_run() -> Run:
    """Five epochs, the third without a validation score."""
    epochs = list(lstm_run().epochs[:5])
    epochs[2] = EpochGap(
        epoch=3, score=LOSS, train_reported=0.062, valid_reported=None, gap=None, notes=("no validation loss was reported",)
    )
    return Run(id="missing-1", source="a log", started="2026-03-04T09:30:00+00:00", epochs=tuple(epochs), finished=True)


def log_run() -> Run:
    """A finished log: the averaging term is inferred, no rung was measured, the rest is unattributed."""
    epochs = []
    for e, (train, valid) in enumerate(zip(TRAIN, VALID, strict=True), 1):
        gap = valid - train
        term = Term(cause="averaging", estimate=an_estimate(0.8 * gap, 0.4 * abs(gap), how="inferred", n=0))
        epochs.append(
            EpochGap(
                epoch=e,
                score=LOSS,
                train_reported=train,
                valid_reported=valid,
                gap=an_estimate(gap, how="exact", n=0),
                terms=(term,),
                unattributed=gap - term.value,
                not_measured=(NotMeasured(cause="mode", why="a log doesn't tell"),),
            )
        )
    return Run(id="log-1", source="history.csv", started="2026-03-05T09:30:00+00:00", epochs=tuple(epochs), finished=True)


def long_run(epochs: int = 200) -> Run:
    """A run that learns fast, then overfits slowly."""
    built = []
    for e in range(1, epochs + 1):
        train = 0.06 + 1.2 * math.exp(-e / 12)
        built.append(
            an_epoch(
                e,
                train,
                {
                    "averaging": -0.06 * math.exp(-e / 12) - 0.002,
                    "mode": -0.03,
                    "generalisation": 0.004 * e**0.8,
                },
                half=0.1,
            )
        )
    return Run(id="long-1", source="torch", started="2026-03-06T09:30:00+00:00", epochs=tuple(built), finished=True)


def odd_rungs_run() -> Run:
    """What the ladder hands over when the end weights were not scored: a hole in the middle, nil terms, a part."""
    whole = an_epoch(1, 0.5, {"penalty": 0.0, "reduction": 1e-9, "averaging": -0.1, "mode": -0.05, "generalisation": 0.02})
    parts = tuple(
        Term(cause="generalisation", name=name, estimate=an_estimate(value, 0.001))
        for name, value in (("duplicates", 0.015), ("the rest", 0.005))
    )
    terms = []
    for term in whole.terms:
        estimate = term.estimate
        if term.cause == "generalisation":
            terms.append(Term(cause=term.cause, estimate=estimate, parts=parts))
        elif term.cause not in ("averaging", "mode"):
            terms.append(term)
    gap = EpochGap(
        epoch=1,
        score=LOSS,
        train_reported=whole.train_reported,
        valid_reported=whole.valid_reported,
        gap=whole.gap,
        terms=tuple(terms),
        unattributed=-0.15,
        rungs=tuple(rung for rung in whole.rungs if rung.name != "end_weights"),
        not_measured=(NotMeasured(cause="averaging", why="it was not scored in this epoch"),),
    )
    return Run(id="odd-1", source="torch", started="2026-03-08T09:30:00+00:00", epochs=(gap,))


DOMINATED = "94% of the variance is a finite validation set: more training examples would hardly narrow it"


def parts_run(epochs: int = 3) -> Run:
    """Terms in parts, intervals that lean to one side, and an interval that validation noise makes alone."""
    built = []
    for e in range(1, epochs + 1):
        fade = 1.0 / e
        plain = an_epoch(e, 0.4 + 0.6 * fade, {"averaging": -0.2 * fade, "mode": -0.11, "generalisation": 0.03 * e}, half=0.2)
        averaging, mode, generalisation = plain.terms
        parts = {
            "averaging": (("time lag", -0.18 * fade, True), ("own update", -0.02 * fade, True)),
            "mode": (("dropout", -0.15, True), ("batch norm", 0.03, True), ("other", 0.01, False)),
        }
        terms = tuple(
            Term(
                cause=term.cause,
                estimate=term.estimate,
                parts=tuple(
                    Term(
                        cause=term.cause,
                        name=name,
                        estimate=leaning(value, reliable=sure, why="" if sure else "2 of 40 batches"),
                    )
                    for name, value, sure in parts[term.cause]
                ),
            )
            for term in (averaging, mode)
        )
        last = Term(cause="generalisation", estimate=leaning(generalisation.value, why=DOMINATED))
        built.append(msgspec.structs.replace(plain, terms=(*terms, last)))
    return Run(id="parts-1", source="torch", started="2026-03-09T09:30:00+00:00", epochs=tuple(built))


def leaning(value: float, *, reliable: bool = True, why: str = "") -> Estimate:
    """An estimate whose interval reaches further away from zero than towards it, and leaves it out."""
    moments = Moments((0.1 * value) ** 2, 60.0, third=0.4 * (0.1 * value) ** 3)
    return estimate_from(value, moments, n=256, not_reliable="" if reliable else why, why=why)


def overfit_run(
    epochs: int = 40,
    *,
    turn: int = 12,
    score: Score = LOSS,
    every: int = 1,
    unreliable: tuple[int, ...] = (),
    cause: Cause = "memorisation",
    df: float = 12.0,
) -> Run:
    """Training examples score better than unseen ones from the epoch `turn` on, by more and more; errors lean and shrink."""
    sign = -1.0 if score.higher_is_better else 1.0
    wobble = (0.6, -0.9, 0.2, 1.1, -0.4)
    built = []
    for e in range(every, epochs + 1, every):
        error = 0.012 + 0.06 / e
        value = sign * (0.02 * max(0, e - turn) ** 0.7 + error * wobble[e % 5])
        moments = Moments(error**2, df, third=0.3 * sign * error**3)
        doubt = "4 of 40 batches" if e in unreliable else ""
        term = Term(cause=cause, estimate=estimate_from(value, moments, n=2000, not_reliable=doubt))
        plain = an_epoch(e, 0.3 + 1.0 / e, {"averaging": -0.2 / e}, score=score)
        gap = plain.gap.value + value
        valid = plain.train_reported + gap
        built.append(
            msgspec.structs.replace(
                plain, terms=(*plain.terms, term), valid_reported=valid, gap=an_estimate(gap, 0.01, how="exact"), rungs=()
            )
        )
    return Run(id="overfit-1", source="torch", started="2026-03-10T09:30:00+00:00", epochs=tuple(built), finished=True)


def one_epoch_run() -> Run:
    run = lstm_run()
    return Run(id="one-1", source="keras", started=run.started, epochs=run.epochs[:1])


def empty_run() -> Run:
    return Run(id="empty-1", source="keras", started="2026-03-07T09:30:00+00:00")


def a_verdict(score: Score = LOSS) -> Verdict:
    return Verdict(
        score=score,
        headline="Validation looks better than training because the training loss is averaged over an epoch in which the model "
        "improved.",
        overfitting=Overfitting(
            state="no",
            since_epoch=None,
            evidence="With the same weights, training and validation differ by less than the noise of 5,000 validation "
            "examples in all 12 epochs.",
        ),
        forecast=Forecast(
            state="turn",
            evidence="Validation will turn at about epoch 34 (22 to 57 at 90%) if training goes on as it did: its gap to "
            "training grows.",
            epoch=34.2,
            low=21.9,
            high=57.3,
        ),
        causes=(
            RankedCause(
                cause="averaging",
                share=0.94,
                sentence="The training loss of an epoch averages weights that were still improving; it explains 0.037 of the "
                "0.039 in epoch 1.",
                advice="Nothing to repair. Compare with the end-of-epoch training loss instead.",
            ),
            RankedCause(
                cause="generalisation",
                share=0.04,
                sentence="The same model scores a little better on the validation examples; the interval holds zero.",
                advice="",
            ),
            RankedCause(cause="mode", share=0.004, sentence="Dropout makes training look slightly worse.", advice="Leave it."),
        ),
        cannot_tell=(NO_FRESH,),
        warnings=("Only 4 of 40 batches were sampled in epochs 1 and 2.",),
    )


RUNS = {
    "lstm": lstm_run(),
    "many": many_terms_run(),
    "two": two_scores_run(),
    "missing": missing_gap_run(),
    "log": log_run(),
    "long": long_run(),
    "one": one_epoch_run(),
    "odd_rungs": odd_rungs_run(),
    "parts": parts_run(),
    "overfit": overfit_run(),
}


@pytest.fixture(scope="session")
def runs():
    return SimpleNamespace(**RUNS, empty=empty_run())


@pytest.fixture(scope="session", params=list(RUNS))
def any_run(request):
    return RUNS[request.param]


@pytest.fixture(scope="session")
def build():
    return SimpleNamespace(
        epoch=an_epoch, estimate=an_estimate, verdict=a_verdict, accuracy=ACCURACY, overfit=overfit_run, dominated=DOMINATED
    )
