"""Reports of an experiment: terminal, JSON, page and pictures of planted trials, also where runs are missing or odd."""

from __future__ import annotations

import io
import json
import re
import xml.etree.ElementTree as ET

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.console import Console
from tests.planted_trials import a_grid, a_trial, an_experiment
from tests.report.test_page import Page
from tests.report.test_pictures import Spec, check_texts

from whygap.answers import answer, capacities, edge_maps, redrawn, turns, worlds
from whygap.errors import InputError
from whygap.report import (
    all_turns,
    deviations,
    edge,
    experiment_as_json,
    learnt_by_heart,
    print_experiment,
    real_and_ideal,
    turn_and_forecast,
    write_experiment_page,
)


def trials_of(**more):
    """Over parameters and examples, in both regimes; what is reused is memorised, and its validation turns."""

    def gap(ratio, regime):
        return 1.5 * (regime == "once") * (ratio > 0.2)

    def unseen(e):
        return 0.3 + 2.0 * np.exp(-e / 2) + 0.04 * e

    same = {"sizes": (100, 1000, 15210), "ns": (250, 4000), "regimes": ("once", "fresh"), "unseen": unseen, "jump": 0.01}
    return a_grid(gap, **(same | {"names": ("loss", "error", "soft_error")} | more))


def on_random_labels():
    def learnt(share):
        return lambda e: 0.9 * min(1.0, share) + 0 * e

    same = {"unseen": lambda e: 0.9 + 0 * e, "names": ("loss", "error"), "settings": {"process.label_noise": 1.0}}
    return tuple(
        a_trial(k, n_parameters=p, n=n, gap=learnt(p / n), **same)
        for p in (100, 1000, 15210)
        for n in (50, 100, 2000)
        for k in range(3)
    )


MARK = {"n_parameters": 5000, "n": 3000}


@pytest.fixture(scope="module")
def experiment():
    return an_experiment((*trials_of(), *on_random_labels()), mark=MARK, claim="C5", started="2026-01-01T00:00:00",
                         versions={"whygap": "1"})  # fmt: skip


@pytest.fixture(scope="module")
def answers(experiment):
    return answer(experiment)


def printed(experiment, answers, width=80):
    out = io.StringIO()
    print_experiment(Console(file=out, width=width, color_system=None), experiment, answers)
    return out.getvalue()


@pytest.mark.parametrize("width", [80, 120])
def test_the_terminal_has_the_claim_first_and_a_table_for_each_question(experiment, answers, width):
    text = printed(experiment, answers, width)
    assert max(len(line) for line in text.splitlines()) <= width
    flat = " ".join(text.split())
    for one in answers:
        assert one.sentence in flat
    assert flat.index(f"C5: {'holds only in part' if answers[0].state == 'holds_when' else 'holds'}") < flat.index("Where does")
    for title in ("Memorisation in loss after 20 epochs", "Real and ideal world", "When validation turns", "Random labels"):
        assert title in flat
    assert "*" in flat


def test_json_has_every_answer_and_number(experiment, answers):
    line = experiment_as_json(experiment, answers)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    shape = json.loads(line, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert [a["sentence"] for a in shape["answers"]] == [a.sentence for a in answers]
    assert shape["answers"][0]["claim"] == "C5"
    assert (shape["runs"], shape["wanted"], shape["finished"]) == (len(experiment.trials), len(experiment.trials), True)
    last = shape["edge"][-1]
    assert len(last["cells"]) == len(edge_maps(experiment.trials)[-1].cells)
    assert shape["capacity"]["chance"] == pytest.approx(0.9)
    assert shape["worlds"][0]["bootstrap"]["value"] == worlds(experiment.trials)[0].bootstrap.value


@pytest.fixture(scope="module")
def html(experiment, answers, tmp_path_factory):
    path = write_experiment_page(experiment, answers, tmp_path_factory.mktemp("page") / "x.html")
    return path.read_text(encoding="utf-8")


def test_the_page_is_well_formed_and_asks_the_network_for_nothing(html):
    page = Page(html)
    assert len(page.ids) == len(set(page.ids))
    assert not {"script", "iframe", "object", "embed", "img", "base", "form"} & set(page.tags)
    assert "default-src 'none'" in html
    assert "https://" not in html
    pictures = re.findall(r"<svg .*?</svg>", html, re.S)
    assert len(pictures) == page.tags.count("svg") >= 8
    for picture in pictures:
        assert len(ET.fromstring(picture).get("aria-label")) > 20
    assert "currentColor" in html
    assert "#1f2328" not in html


def test_the_page_has_the_answers_and_every_number_in_tables(html, experiment, answers):
    page = Page(html)
    text = " ".join(" ".join(page.text).split())
    assert page.tags.index("h1") < page.tags.index("svg")
    for one in answers:
        assert one.sentence in text
    assert "your case: 5,000 on 3,000" in text
    rows = [" | ".join(cell.strip() for cell in row) for row in page.rows]
    assert any(row.startswith("15,210 | 250 | 60.8 |") for row in rows)
    assert sum(row.count("can't tell") for row in rows) < len(rows)


def test_titles_are_escaped(tmp_path):
    hostile = an_experiment(trials_of(seeds=2, sizes=(100,), ns=(250,)), asks=("edge",))
    hostile = msgspec.structs.replace(hostile, title="<script>x</script>", spec="<b>")
    html = write_experiment_page(hostile, answer(hostile), tmp_path / "x.html").read_text(encoding="utf-8")
    assert "<script" not in html
    assert "&lt;b&gt;" in html


def test_an_experiment_without_runs_has_a_page(tmp_path):
    empty = an_experiment((), wanted=10)
    html = write_experiment_page(empty, answer(empty), tmp_path / "x.html").read_text(encoding="utf-8")
    assert "No run is finished yet" in html
    assert "0 of 10 runs" in " ".join(html.split())


def cells(rows, key):
    return [row for row in rows if key in row]


def test_the_map_has_a_cell_for_each_case_and_outlines_those_that_show():
    found = edge_maps(trials_of())[2]
    spec = Spec(edge(found, mark=MARK))
    filled, framed, outlined = spec.layers("bar")
    assert len(filled) == len(framed) == len(found.cells) == 6
    assert len(outlined) == sum(c.shows for c in found.cells) >= 4
    shades = {row["value"]: row["shade"] for row in filled}
    assert max(shades.values()) <= 0.78
    by_value = sorted(filled, key=lambda row: float(row["value"].replace("−", "-")))
    assert by_value[0]["shade"] < by_value[-1]["shade"]
    assert f"memorisation shows in {len(outlined)} of 6 cases" in spec.title["text"]


def test_the_mark_lies_between_cells_by_logarithms():
    found = edge_maps(trials_of())[2]
    at = {"n": (250 * 4000) ** 0.5, "n_parameters": 1000}
    (ring,) = {(row["x"], row["y"]) for row in Spec(edge(found, mark=at)).rows("point") if "is_outside" in row}
    filled = Spec(edge(found)).layers("bar")[0]
    xs, ys = sorted({row["x"] for row in filled}), sorted({row["y"] for row in filled})
    assert ring == pytest.approx((sum(xs) / 2, ys[1]))


@pytest.mark.parametrize(
    "mark", [{}, {"n": 10}, {"n": "many", "n_parameters": 3}, {"n": 0, "n_parameters": 3}, {"n": True, "n_parameters": 1}]
)
def test_what_is_no_mark_is_not_drawn(mark):
    spec = Spec(edge(edge_maps(trials_of())[2], mark=mark))
    assert not cells(spec.rows("point"), "is_outside")


def test_a_case_outside_the_map_is_marked_at_its_edge():
    spec = Spec(edge(edge_maps(trials_of())[2], mark={"n": 10, "n_parameters": 10**6}))
    assert cells(spec.rows("point"), "is_outside")[0]["x"] == 0.0
    assert "Your case lies outside the map" in spec.title["subtitle"][-1]


def texts(chart):
    return json.dumps(chart.to_dict()["title"], ensure_ascii=False)


def test_no_text_overlaps_another_or_is_cut():
    trials = trials_of()
    for found in edge_maps(trials)[:3]:
        check_texts(edge(found, mark=MARK))
    for found in worlds(trials)[::3]:
        check_texts(real_and_ideal(found))
    for found in turns(trials)[::5]:
        check_texts(turn_and_forecast(found))
    check_texts(all_turns(turns(trials)))
    check_texts(learnt_by_heart(capacities(on_random_labels())))
    check_texts(deviations(redrawn(trials)[:2]))


def test_one_seed_and_one_cell_can_be_drawn():
    trials = trials_of(seeds=1, sizes=(1000,), ns=(250,))
    check_texts(edge(edge_maps(trials)[0]))
    check_texts(real_and_ideal(worlds(trials)[0]))
    check_texts(turn_and_forecast(turns(trials)[0]))
    check_texts(all_turns([t for t in turns(trials) if t.regime == "once"]))


def test_pictures_say_what_was_found():
    trials = trials_of()
    turned = [t for t in turns(trials) if t.turn is not None]
    assert {t.regime for t in turned} == {"once"}
    assert "Validation turns at epoch" in texts(turn_and_forecast(turned[0]))
    assert f"Validation turns in {len(turned)} of 6 cases" in texts(all_turns(turns(trials)))
    (w, *_) = worlds(trials)
    assert "can't be told: 100 parameters, 250 examples" in texts(real_and_ideal(w))
    assert "1,000 parameters" in texts(deviations([r for r in redrawn(trials) if r.n_parameters == 1000][:1]))
    assert "are learnt by heart" in texts(learnt_by_heart(capacities(on_random_labels())))


def test_there_must_be_something_to_draw():
    with pytest.raises(InputError, match="no case reuses"):
        all_turns([t for t in turns(trials_of(seeds=2)) if t.regime == "fresh"])
    with pytest.raises(InputError, match="nothing was redrawn"):
        deviations([])


EVERY = (*trials_of(seeds=3), *on_random_labels())


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.sets(st.integers(0, len(EVERY) - 1)), st.sets(st.integers(0, len(EVERY) - 1), max_size=4))
def test_a_killed_grid_with_diverged_runs_is_no_error(finished, diverged):
    trials = []
    for k in sorted(finished):
        trial = EVERY[k]
        if k in diverged:
            curve = msgspec.structs.replace(trial.curves[0], train=(float("nan"),) * len(trial.epoch))
            trial = msgspec.structs.replace(trial, curves=(curve, *trial.curves[1:]))
        trials.append(trial)
    experiment = an_experiment(tuple(trials), wanted=len(EVERY), mark=MARK, claim="C6")
    found = answer(experiment)
    assert printed(experiment, found)
    json.loads(experiment_as_json(experiment, found))
