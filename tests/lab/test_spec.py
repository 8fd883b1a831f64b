"""A grid as it is stated: its cells, its runs, their keys, and one line for whatever is wrong."""

import msgspec
import pytest

from whygap.errors import InputError
from whygap.lab import n_parameters
from whygap.lab.axes import AXES
from whygap.lab.spec import parse_spec, read_spec, ready_specs
from whygap.process import MNIST1D, Fresh, LabelNoise, Once, Pool

SMALL = 'n = 100\nepochs = 2\nprocess = "gaussian_mixture"\nmodel = { name = "mlp", width = 4 }\n'
OWN = """
from whygap.lab import Model, mlp
from whygap.process import GaussianMixture, process
import optax

near = GaussianMixture(distance=1.0)

def mixture(distance):
    return GaussianMixture(distance=distance)

def net(features, outputs, *, width=3):
    return tuple(mlp(features, width, outputs))

def halving(learning_rate):
    return optax.sgd(optax.exponential_decay(learning_rate, 100, 0.5))

def number():
    return 3
"""


def spec_of(text=SMALL, **settings):
    lines = [line for line in text.splitlines() if line.partition(" ")[0] not in settings]
    lines += [f"{key} = {value}" for key, value in settings.items() if value is not None]
    return parse_spec("\n".join(lines), name="grid", where="grid.toml")


def test_every_list_is_an_axis_and_every_combination_a_cell():
    spec = spec_of(
        n="[100, 200]", regime='["once", "fresh"]', model='[{ name = "linear" }, { name = "mlp", width = [4, 8] }]', seeds=3
    )
    cells = spec.cells()
    assert len(cells) == 2 * 2 * 3
    assert len(spec.jobs()) == 36
    assert {(c["model"], c.get("model.width")) for c in cells} == {("linear", None), ("mlp", 4), ("mlp", 8)}
    assert list(cells[0]) == [key for key in AXES if key not in {"pool", "steps", "looks"}]


def test_a_run_is_made_of_its_settings():
    spec = spec_of(
        process='{ name = "mnist1d", label_noise = 0.15 }',
        model='{ name = "mlp", width = 100 }',
        optimiser='{ name = "sgd", momentum = 0.9 }',
        regime='["once", "fresh", "pool"]',
        pool=300,
        every=2,
        n_fresh=0,
        n_valid=50,
        valid_sets=2,
    )
    once, fresh, pool = (run.job.plan for run in spec.jobs())
    assert once.process == LabelNoise(MNIST1D(), 0.15)
    assert [once.regime, fresh.regime, pool.regime] == [Once(100), Fresh(100), Pool(300, 100)]
    assert (once.epochs, once.every, once.n_fresh, once.n_valid, once.valid_sets) == (2, 2, 0, 50, 2)
    assert n_parameters(once.model) == 15210
    settings = spec.jobs()[0].settings
    assert settings["process.label_noise"] == 0.15
    assert settings["optimiser.momentum"] == 0.9
    assert "pool" not in settings


@pytest.mark.parametrize(
    ("process", "model", "wanted"),
    [
        ("mnist1d", '{ name = "cnn" }', 5210),
        ("mnist1d", '{ name = "gru", width = 6, bidirectional = true, all_steps = true }', 5134),
        ("mnist1d", '"linear"', 410),
        ("sequence_regression", '{ name = "lstm", width = 20 }', 4 * 20 * (5 + 20 + 2) + 21),
        ("adding_problem", '{ name = "transformer", width = 8, heads = 2, layers = 1 }', None),
        ("teacher_student", '{ name = "mlp", width = 5, layers = 1 }', 20 * 5 + 5 + 6),
    ],
)
def test_a_model_fits_its_process(process, model, wanted):
    (run,) = spec_of(process=f'"{process}"', model=model).jobs()
    assert wanted is None or n_parameters(run.job.plan.model) == wanted


def test_steps_are_the_same_for_every_n():
    cells = spec_of(n="[100, 250, 1000]", epochs=None, steps=60, looks=2).cells()
    assert [(c["epochs"], c["every"]) for c in cells] == [(60, 30), (20, 10), (6, 3)]


def test_seeds_are_repetitions_or_crossed():
    assert [tuple(vars(r.job.seeds).values()) for r in spec_of(seeds="[7, 9]").jobs()] == [(7, 7, 7), (9, 9, 9)]
    crossed = [tuple(vars(r.job.seeds).values()) for r in spec_of(seeds="{ train = 2, init = [5, 6] }").jobs()]
    assert crossed == [(0, 0, 5), (0, 0, 6), (1, 0, 5), (1, 0, 6)]


def test_a_key_names_settings_and_seeds_and_nothing_else():
    (run,) = spec_of().jobs()
    same = spec_of(title='"another"', optimiser='"adam"', learning_rate=1e-3, regime='["once"]', every=1).jobs()
    assert [r.key for r in same] == [run.key]
    others = [spec_of(n=101), spec_of(epochs=3), spec_of(model='{ name = "mlp", width = 5 }'), spec_of(seeds="[1]")]
    assert len({run.key, *(r.key for s in others for r in s.jobs())}) == 5


def test_an_experiment_is_what_its_spec_says():
    one, commented, other = spec_of(), parse_spec(f"# a comment\n{SMALL}", name="grid"), spec_of(seeds=2)
    assert one.id_of(one.jobs()) == commented.id_of(commented.jobs()) != other.id_of(other.jobs())
    assert one.id_of(one.jobs()).startswith("grid-")


@pytest.fixture
def own(tmp_path, monkeypatch):
    name = f"own_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{name}.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return name


def test_ones_own_process_model_and_optimiser_are_found(own):
    (run,) = spec_of(
        process=f'{{ name = "{own}:mixture", distance = 3 }}', model=f'{{ name = "{own}:net", width = 7 }}',
        optimiser=f'"{own}:halving"',
    ).jobs()  # fmt: skip
    assert run.job.plan.process.distance == 3
    assert n_parameters(run.job.plan.model) == 10 * 7 + 7 + 7 * 2 + 2
    assert spec_of(process=f'"{own}:near"').jobs()[0].job.plan.process.distance == 1.0


def test_a_change_in_ones_own_module_is_another_run(own, tmp_path):
    import linecache

    (before,) = spec_of(process=f'"{own}:near"').jobs()
    file = tmp_path / f"{own}.py"
    file.write_text(file.read_text() + "\n# changed\n")
    linecache.checkcache()
    (after,) = spec_of(process=f'"{own}:near"').jobs()
    assert before.key != after.key
    assert before.settings == after.settings


WRONG = [
    ({"model": '{ name = "mlp", widht = 4 }'}, ["model.widht", "did you mean width"]),
    ({"model": '"mpl"'}, ["model:", "did you mean mlp"]),
    ({"model": '"mlp"'}, ["model.width", "missing"]),
    ({"model": '{ name = "mlp", width = "wide" }'}, ["model.width", "whole number"]),
    ({"model": '{ name = "mlp", width = 0 }'}, ["model:", "MLP"]),
    ({"model": '{ name = "mlp", width = [] }'}, ["model.width", "empty"]),
    ({"model": '{ name = "mlp", features = 3, width = 2 }'}, ["model.features"]),
    ({"model": "{ width = 3 }"}, ["model:", "name"]),
    ({"model": '{ name = "mlp", width = { a = 1 } }'}, ["model.width"]),
    ({"model": '"nowhere_at_all:net"'}, ["model", "nowhere_at_all"]),
    ({"model": "3"}, ["model:", "name"]),
    ({"process": '"mnist"'}, ["process:", "did you mean mnist1d"]),
    ({"process": '{ name = "gaussian_mixture", classes = 2.5 }'}, ["process.classes", "whole number"]),
    ({"process": '{ name = "gaussian_mixture", label_noise = 2.0 }'}, ["process.label_noise", "0 to 1"]),
    ({"process": '{ name = "sequence_regression", label_noise = 0.5 }'}, ["process.label_noise", "classes"]),
    ({"process": '{ name = "modular_addition" }'}, ["n_fresh"]),
    ({"optimiser": '"adamm"'}, ["optimiser:", "did you mean adam"]),
    ({"optimiser": '{ name = "sgd", momentun = 0.9 }'}, ["optimiser.momentun", "momentum"]),
    ({"learning_rate": "-1"}, ["learning_rate", "above 0"]),
    ({"learning_rate": "nan"}, ["learning_rate", "above 0"]),
    ({"n": "0"}, ["n:", "whole number above 0"]),
    ({"n": "[100, true]"}, ["n:", "true"]),
    ({"n": "[]"}, ["n:", "empty"]),
    ({"n": "[[1]]"}, ["n:", "list of lists"]),
    ({"n": None}, ["n:", "missing"]),
    ({"n": "{ a = 1 }"}, ["n:", "table"]),
    ({"epochs": None}, ["epochs:", "missing", "steps"]),
    ({"steps": "100"}, ["steps:", "epochs"]),
    ({"epochs": None, "steps": "7", "n": "200"}, ["steps:", "7 steps", "epochs of 2", "n = 200"]),
    ({"every": "3"}, ["every:", "3 doesn't divide 2"]),
    ({"looks": "3"}, ["looks:", "3 don't divide 2"]),
    ({"regime": '"twice"'}, ["regime:", "once"]),
    ({"regime": '"pool"'}, ["pool:", "missing"]),
    ({"seeds": "0"}, ["seeds:"]),
    ({"seeds": "{ trian = 2 }"}, ["seeds.trian"]),
    ({"seeds": "[-1]"}, ["seeds:"]),
    ({"asks": '["egde"]'}, ["asks:", "did you mean edge"]),
    ({"asks": '"edge"'}, ["asks:", "list"]),
    ({"title": "3"}, ["title:", "text"]),
    ({"mark": "3"}, ["mark:", "table"]),
    ({"mark": "{ n = [1] }"}, ["mark.n"]),
    ({"epoch": "3"}, ["epoch:", "did you mean epochs"]),
    ({"shuffle": "1"}, ["shuffle:", "true or false"]),
    ({"n_valid": "2024-01-01"}, ["n_valid:", "2024"]),
]


@pytest.mark.parametrize(("settings", "words"), WRONG, ids=[str(s) for s, _ in WRONG])
def test_what_is_wrong_is_told_in_a_line_with_file_and_key(settings, words):
    with pytest.raises(InputError) as error:
        spec_of(**settings).jobs()
    text = str(error.value)
    assert len(text.splitlines()) == 1
    assert text.startswith("grid.toml: ")
    assert text.count("grid.toml") == 1
    for word in words:
        assert word in text, text


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("broken.toml", b"n = = 3", ["broken.toml", "TOML", "line 1"]),
        ("latin.toml", b"title = '\xe9'", ["latin.toml", "can't be read"]),
        ("absent.toml", None, ["absent.toml", "No such file"]),
        ("egde", None, ["egde", "did you mean edge"]),
    ],
)
def test_a_file_that_is_no_spec_is_told_of(tmp_path, monkeypatch, name, content, words):
    monkeypatch.chdir(tmp_path)
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError) as error:
        read_spec(name)
    for word in words:
        assert word in str(error.value), error.value


def test_an_own_model_that_is_none_is_told_of(own):
    with pytest.raises(InputError, match="pair"):
        spec_of(model=f'"{own}:number"').jobs()
    with pytest.raises(InputError, match="not a process"):
        spec_of(process=f'"{own}:number"').jobs()


@pytest.mark.parametrize("name", ready_specs())
def test_a_ready_spec_can_be_trained(name):
    spec = read_spec(name)
    runs = spec.jobs()
    assert spec.title != name
    assert len({run.key for run in runs}) == len(runs)
    assert spec.asks
    assert msgspec.json.encode(runs[0].settings)
