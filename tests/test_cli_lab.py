"""`whygap lab`: what is printed, where the page goes, and how it ends."""

import json
import sys
import warnings

import pytest

import whygap.answers
import whygap.report
from whygap.cli import main
from whygap.store import Store
from whygap.trials import Experiment

pytestmark = pytest.mark.filterwarnings("ignore:Cyclopts application invoked:UserWarning")  # it is meant to read sys.argv
SPEC = """
n = [32, 64]
epochs = 2
seeds = 2
n_valid = 20
n_fresh = 20
process = "gaussian_mixture"
model = { name = "mlp", width = 2 }
"""


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WHYGAP_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("WHYGAP_STORE", raising=False)
    (tmp_path / "small.toml").write_text(SPEC)


@pytest.fixture
def _told_simply(monkeypatch):
    """Stand for the answers and their pictures, which have tests of their own."""
    monkeypatch.setattr("whygap.answers.answer", lambda experiment: ("an answer",))
    stands = {
        "print_experiment": lambda console, experiment, answers: console.print(f"{experiment.id}: {answers[0]}"),
        "write_experiment_page": lambda experiment, answers, path: path.write_text(experiment.id),
        "experiment_as_json": lambda experiment, answers: json.dumps({"id": experiment.id}).encode(),
    }
    for name, function in stands.items():
        monkeypatch.setattr(whygap.report, name, function, raising=False)


@pytest.fixture
def cli(monkeypatch, capsys):
    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["whygap", *map(str, arguments)])
        monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)  # which the command replaces
        with pytest.raises(SystemExit) as end:
            main()
        printed = capsys.readouterr()
        return end.value.code, printed.out, printed.err

    return run


def no_training(jobs, **_):
    assert not jobs, "trained"
    return iter(())


@pytest.mark.usefixtures("_told_simply")
def test_run_trains_answers_and_writes_and_show_says_it_again(cli, tmp_path, monkeypatch):
    code, out, err = cli("lab", "run", "small.toml", "--workers", 1, "-o", "page.html")
    assert (code, err) == (0, "")
    assert "an answer" in out
    assert "page.html" in out
    with Store("whygap.db", readonly=True) as store:
        found = store.experiment()
    assert found.is_finished
    assert found.spec == SPEC
    assert (tmp_path / "page.html").read_text() == found.id
    assert cli("lab", "show")[:2] == (0, f"{found.id}: an answer\n")
    assert json.loads(cli("lab", "show", "small", "--json")[1]) == {"id": found.id}
    assert "4 of 4" in cli("lab", "list")[1]
    assert json.loads(cli("lab", "list", "--json")[1])[0]["id"] == found.id
    monkeypatch.setattr("whygap.lab.grid.train_all", no_training)
    code, out, _ = cli("lab", "run", "small.toml")
    assert code == 0
    assert "4 of 4 runs were finished already" in out
    code, out, err = cli("lab", "run", "small.toml", "--json")
    assert json.loads(out) == {"id": found.id}


def test_control_c_keeps_what_is_finished_and_says_how_to_go_on(cli, monkeypatch):
    from whygap.lab import grid

    whole = grid.train_all

    def stopped(jobs, **settings):
        for k, one in enumerate(whole(jobs, **settings)):
            if k == 2:
                raise KeyboardInterrupt
            yield one

    monkeypatch.setattr(grid, "train_all", stopped)
    code, _, err = cli("lab", "run", "small.toml", "--workers", 1)
    assert code == 130
    assert len(err.splitlines()) == 1
    assert "2 of 4 runs" in err
    assert "run the same command again" in err
    with Store("whygap.db", readonly=True) as store:
        assert len(store.experiment().trials) == 2


def test_the_answers_and_the_page_are_those_of_the_experiment(cli, tmp_path):
    code, out, err = cli("lab", "run", "small.toml", "--workers", 1, "-o", "page.html")
    assert (code, err) == (0, "")
    assert cli("lab", "show")[1] in out
    assert "small" in out
    assert "<svg" in (tmp_path / "page.html").read_text()
    assert json.loads(cli("lab", "show", "--json")[1])["wanted"] == 4


@pytest.mark.usefixtures("_told_simply")
def test_claims_are_run_one_after_the_other(cli, tmp_path, monkeypatch):
    from whygap.lab.spec import CLAIMS

    ran = []

    def run_grid(spec, store, **_):
        ran.append(spec.name)
        return Experiment(id=spec.name, title=spec.title, spec=spec.text, wanted=0)

    monkeypatch.setattr("whygap.lab.grid.run_grid", run_grid)
    code, out, _ = cli("lab", "run", "claims", "-o", "page.html")
    assert code == 0
    assert tuple(ran) == CLAIMS
    assert all(f"{name}: an answer" in out for name in CLAIMS)
    assert sorted(p.name for p in tmp_path.glob("*.html")) == [f"page-{name}.html" for name in CLAIMS]
    _, out, _ = cli("lab", "run", "claims", "--json")
    assert [one["id"] for one in json.loads(out)] == list(CLAIMS)


def test_list_names_the_ready_specs_where_nothing_was_run(cli, tmp_path):
    code, out, _ = cli("lab", "list")
    assert code == 0
    assert "edge" in out
    assert not (tmp_path / "whygap.db").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("run", "smal.toml"), ["smal.toml", "No such file"]),
        (("run", "egde"), ["did you mean edge"]),
        (("run", "small.toml", "--workers", "0"), ["workers"]),
        (("run", "small.toml", "-o", "nowhere/page.html"), ["nowhere"]),
        (("run", "small.toml", "--on", "moon"), ["moon"]),
        (("show", "x"), ["no store"]),
    ],
)
def test_wrong_use_is_one_line(cli, arguments, words):
    code, out, err = cli("lab", *arguments)
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 1
    for word in words:
        assert word in err


def test_without_jax_the_line_that_installs_it_is_printed(cli, monkeypatch):
    monkeypatch.setitem(sys.modules, "optax", None)
    code, _, err = cli("lab", "run", "small.toml")
    assert code == 2
    assert err == "whygap: the lab needs optax: pip install 'whygap[lab]'\n"
