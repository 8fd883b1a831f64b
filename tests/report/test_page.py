"""The page: well-formed, self-contained, safe, complete, and written whole or not at all."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser

import msgspec
import pytest

from whygap.errors import WhygapError
from whygap.records import NotMeasured, Problem, Run, Score
from whygap.report import write_page
from whygap.report.atomic import write_atomically
from whygap.verdict import judge

VOID = {"meta", "link", "br", "hr", "img", "input"}


class Page(HTMLParser):
    """Checks that tags nest, and keeps the elements, the ids and each table's cells."""

    def __init__(self, html):
        super().__init__(convert_charrefs=True)
        self.open, self.tags, self.attributes, self.ids, self.text, self.rows = [], [], [], [], [], []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes.append((tag, dict(attrs)))
        self.ids += [value for name, value in attrs if name == "id"]
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)
        if self.open and self.rows and {"td", "th"} & set(self.open):
            self.rows[-1][-1] += f"{data} "


@pytest.fixture(scope="module")
def written(tmp_path_factory, runs, build):
    """Every page once, since pictures take time."""
    folder = tmp_path_factory.mktemp("pages")
    pages = {}

    def write(name):
        if name not in pages:
            run = getattr(runs, name)
            score = build.accuracy if name == "two" else run.scores[0] if run.scores else Score()
            verdict = judge(run) if name in ("overfit", "parts") else build.verdict(score)
            pages[name] = write_page(run, verdict, folder / f"{name}.html").read_text(encoding="utf-8")
        return pages[name]

    return write


NAMES = ["lstm", "many", "two", "missing", "log", "long", "one", "odd_rungs", "empty", "overfit", "parts"]


@pytest.mark.parametrize("name", NAMES)
def test_it_is_well_formed(written, name):
    html = written(name)
    assert html.startswith("<!doctype html>")
    page = Page(html)
    assert len(page.ids) == len(set(page.ids))
    labelled = [a["aria-labelledby"] for _, a in page.attributes if "aria-labelledby" in a]
    assert set(labelled) <= set(page.ids)
    pictures = re.findall(r"<svg .*?</svg>", html, re.S)
    assert len(pictures) == page.tags.count("svg")
    for picture in pictures:
        root = ET.fromstring(picture)
        assert root.get("role") == "img"
        assert len(root.get("aria-label")) > 20


@pytest.mark.parametrize("name", NAMES)
def test_it_asks_the_network_for_nothing(written, name):
    html = written(name)
    page = Page(html)
    assert not {"script", "iframe", "object", "embed", "img", "video", "base", "form"} & set(page.tags)
    for tag, attributes in page.attributes:
        for key in ("src", "href", "xlink:href", "srcset", "action", "poster", "data"):
            assert attributes.get(key, "data:,").startswith(("data:", "#")), tag
        assert not [key for key in attributes if key.startswith("on")]
    assert "@import" not in html
    assert not [u for u in re.findall(r"url\(([^)]*)\)", html) if not u.startswith("#")]
    without_names = re.sub(r'xmlns(:xlink)?="[^"]*"', "", html)
    assert "http://" not in without_names
    assert "https://" not in without_names
    assert "default-src 'none'" in html


def test_it_suits_light_and_dark(written):
    html = written("lstm")
    assert 'name="color-scheme" content="light dark"' in html
    assert "background: Canvas; color: CanvasText" in html
    assert "currentColor" in html
    assert "#1f2328" not in html  # the ink of pictures on white


def test_the_headline_comes_first_and_everything_in_the_verdict_is_there(written, build):
    page = Page(written("lstm"))
    text = " ".join(" ".join(page.text).split())
    verdict = build.verdict()
    assert page.tags.index("h1") < page.tags.index("svg")
    for said in (
        verdict.headline,
        verdict.overfitting.evidence,
        verdict.forecast.evidence,
        *(c.sentence for c in verdict.causes),
        *(c.advice for c in verdict.causes),
        *(m.why for m in verdict.cannot_tell),
        *verdict.warnings,
        "lstm-1", "keras 3.12.0", "keras 7", "2026-03-01T10:00:00+00:00", "372 ms", "6,144 examples scored",
    ):  # fmt: skip
        assert said in text
    assert text.index("Why") < text.index("What can't be told") < text.index("How to read this")


def number(text):
    return float(text.replace("−", "-").replace(",", "").rstrip("?. "))


@pytest.mark.parametrize("name", ["lstm", "many", "long", "log", "one", "missing"])
def test_the_table_shows_the_records_numbers(written, runs, name):
    gaps = getattr(runs, name).of()
    table = [row for row in Page(written(name)).rows if row and row[0].strip().isdigit()]
    assert [int(row[0]) for row in table] == [g.epoch for g in gaps]
    for row, gap in zip(table, gaps, strict=True):
        if gap.gap is None:
            assert "no validation loss was reported" in row[3]
            continue
        expected = [gap.train_reported, gap.valid_reported, gap.gap.value, *(t.value for t in gap.terms)]
        shown = [cell.replace("?", "").split()[0] for cell in row[1 : 1 + len(expected)]]
        for text, value in zip(shown, expected, strict=True):
            decimals = len(text.partition(".")[2])
            assert number(text) == pytest.approx(value, abs=0.50001 * 10**-decimals)
        interval = row[4].replace("?", "").split()[1:]
        e = gap.terms[0].estimate
        assert (number(interval[0]), number(interval[2])) == pytest.approx((e.low, e.high), abs=0.50001 * 10**-decimals)


def test_tables_have_captions_and_headers_with_a_scope(written):
    page = Page(written("many"))
    assert page.tags.count("caption") == page.tags.count("table") == 4  # all epochs, and three ladders
    assert all(a.get("scope") in ("col", "row") for tag, a in page.attributes if tag == "th")


def test_waterfalls_are_of_the_first_a_middle_and_the_last_epoch(written):
    html = written("long")
    assert re.findall(r"<summary>The numbers of epoch (\d+)", html) == ["1", "101", "200"]
    assert re.findall(r"<summary>The numbers of epoch (\d+)", written("one")) == ["1"]
    assert re.findall(r"<summary>The numbers of epoch (\d+)", written("missing")) == ["1", "4", "5"]


def test_the_verdicts_score_comes_first_and_each_has_its_pictures(written):
    html = written("two")
    assert html.index('<span class="name">accuracy') < html.index('<span class="name">loss')
    assert Page(html).tags.count("svg") == 2 * 5
    assert "a positive gap means that validation looks better" in html
    assert "a negative gap means that validation looks better" in html


def test_a_ladder_tells_parts_nil_terms_and_what_was_not_measured(written):
    text = " ".join(" ".join(Page(written("odd_rungs")).text).split())
    for said in (
        "duplicates",
        "Measured, and nil: loss penalty, batch weighting.",
        "Not measured: epoch averaging: it was not scored",
    ):
        assert said in text


def test_parts_are_rows_under_their_term_with_their_own_intervals(written, runs):
    rows = [[" ".join(cell.split()) for cell in row] for row in Page(written("parts")).rows]
    names = [row[0].split(" sampled")[0] for row in rows]
    first = names.index("epoch averaging")
    assert names[first : first + 8] == [
        "epoch averaging", "time lag", "own update", "end-of-epoch weights", "train mode", "dropout", "batch norm", "other",
    ]  # fmt: skip
    dropout = runs.parts.epochs[0].term("mode").parts[0].estimate
    value, low, _, high = rows[first + 5][1].split()
    assert (number(value), number(low), number(high)) == pytest.approx((dropout.value, dropout.low, dropout.high), abs=0.0005)
    assert rows[first + 7][0] == "other sampled, 256 examples; not reliable: 2 of 40 batches"
    assert rows[first + 7][1].startswith("+0.010 ?")


def test_the_reason_behind_a_reliable_interval_stands_by_it(written, build):
    text = " ".join(" ".join(Page(written("parts")).text).split())
    assert f"sampled, 256 examples; {build.dominated}" in text
    assert f"not reliable: {build.dominated}" not in text


def test_the_looks_have_a_picture_a_table_and_the_reason_for_two_intervals(written, runs):
    html = written("overfit")
    looks = judge(runs.overfit).overfitting.looks
    page = Page(html)
    text = " ".join(" ".join(page.text).split())
    assert text.index("Why") < text.index("Does it overfit?") < text.index("step by step")
    assert "all 40 of the wider ones hold together at 95 %" in text
    assert page.tags.count("svg") == 6
    rows = [row for row in page.rows if len(row) == 5 and row[0].strip().isdigit()][: len(looks)]
    for row, look in zip(rows, looks, strict=True):
        e = look.estimate
        shown = [number(x) for cell in row[1:4] for x in cell.replace(" to ", " ").split()]
        assert shown == pytest.approx([e.value, e.low, e.high, look.low, look.high], abs=0.00005001)
        assert row[4].split()[0] == ("yes" if look.overfits else "no")
    assert html.count('<tr class="since">') == 1


def test_without_looks_there_is_no_section_about_them(written):
    assert "Does it overfit?" not in written("lstm")


def test_what_is_not_reliable_is_marked_with_the_reason(written):
    text = " ".join(" ".join(Page(written("many")).text).split())
    assert "sampled, 256 examples; not reliable: 4 of 40 batches" in text
    assert "A question mark stands by numbers that are not reliable." in text


def test_problems_that_the_run_survived_are_told(written):
    text = " ".join(" ".join(Page(written("many")).text).split())
    assert "problem in epoch 3 the validation loader was empty once" in text


def test_an_empty_run_has_a_page_that_says_so(written):
    assert "This run has no epochs yet" in written("empty")


def test_hostile_text_stays_text(runs, build, tmp_path):
    evil = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"
    score = Score(name=evil, unit=evil)
    gap = msgspec.structs.replace(
        runs.one.epochs[0], score=score, notes=(evil,), not_measured=(NotMeasured(cause="mode", why=evil),)
    )
    run = Run(
        id=evil, source=evil, started=evil, epochs=(gap,), problems=(Problem(epoch=None, text=evil),), versions={evil: evil}
    )
    verdict = build.verdict(score)
    cause = msgspec.structs.replace(verdict.causes[0], sentence=evil, advice=evil)
    verdict = msgspec.structs.replace(verdict, headline=evil, causes=(cause,), warnings=(evil,))
    page = Page(write_page(run, verdict, tmp_path / "x.html", title=evil).read_text(encoding="utf-8"))
    assert not {"script", "img"} & set(page.tags)
    assert evil in "".join(page.text)
    assert not [key for _, attributes in page.attributes for key in attributes if key.startswith("on")]


def test_the_title_is_the_users(runs, build, tmp_path):
    html = write_page(runs.empty, build.verdict(), tmp_path / "x.html", title="My run").read_text(encoding="utf-8")
    assert "<title>My run</title>" in html


def test_a_page_that_cannot_be_written_is_one_line_with_the_path(runs, build, tmp_path):
    path = tmp_path / "no" / "x.html"
    with pytest.raises(WhygapError, match=r"can't write .*x\.html: No such file") as caught:
        write_page(runs.empty, build.verdict(), path)
    assert "\n" not in str(caught.value)


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "x.html"
    write_atomically(path, b"old")

    def fail(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.replace", fail)
    with pytest.raises(WhygapError, match="No space left"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_others_may_read_the_file_as_the_umask_says(tmp_path):
    reference = tmp_path / "reference"
    reference.write_bytes(b"")
    assert write_atomically(tmp_path / "x", b"").stat().st_mode == reference.stat().st_mode


def test_a_folder_or_an_impossible_name_is_an_error(tmp_path):
    with pytest.raises(WhygapError, match="can't write"):
        write_atomically(tmp_path, b"")
    with pytest.raises(WhygapError, match="can't write"):
        write_atomically("a\0b", b"")
