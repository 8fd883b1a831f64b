"""Fresh or once: can a network memorise examples that it never sees twice?

    python examples/03_fresh_or_once.py

The demo's sequences and a small network, trained three times: on new sequences in every epoch, on a set that is drawn once,
and on a small set that is drawn once. After each epoch whygap scores the examples that were just trained on and others that
never are, with the same weights: the difference is the memorisation term. Draws fresh_or_once.png into the current folder.

The intervals are for what the unseen examples are drawn from, and for these very training examples: with few of them the first
epochs show, above all, whether the set happens to be an easy or a hard one.
"""

import altair as alt
import torch
from torch import nn

from whygap.adapters.torch import Meter
from whygap.process import Fresh, Once, Regime, SequenceRegression, Stream
from whygap.process.loaders.torch import TorchLoader
from whygap.report.pictures import as_png
from whygap.report.theme import on_white

REGIMES = {
    "fresh: 4,000 new examples every epoch": Fresh(4000),
    "once: the same 4,000 every epoch": Once(4000),
    "once: the same 200 every epoch": Once(200),
}
COLOURS = ["#2a7f9e", "#7a6aa8", "#c2571a"]


def loader(regime: Regime, split: str, batch_size: int = 40) -> TorchLoader:
    """Return a loader of sequences; those of two splits have nothing in common."""
    return TorchLoader(Stream(process=SequenceRegression(), regime=regime, batch_size=batch_size, split=split, seed=2))


def train(regime: Regime, *, epochs: int = 60, name: str | None = None, store: object = None) -> Meter:
    """Train a small network in one regime and measure it."""
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Flatten(), nn.Linear(25, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 1), nn.Flatten(0)
    )
    loss_of = nn.MSELoss()
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3)
    training = loader(regime, "train")
    valid, unseen = loader(Once(2000), "valid", 1000), loader(Fresh(1000), "unseen", 1000)

    meter = Meter(model, loss_of, valid=valid, fresh=unseen, budget="exact", reduction="rows", name=name, store=store)
    for _ in range(epochs):
        model.train()
        for x, y in meter.train(training):
            loss = loss_of(model(x), y)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            meter.record(loss)
        meter.end_epoch()
    meter.close()
    return meter


def draw(meters: dict[str, Meter]) -> alt.HConcatChart:
    """Draw the memorisation term of each run over its epochs, with its 95 % interval, side by side on one scale."""
    panels = []
    for (name, meter), colour in zip(meters.items(), COLOURS, strict=True):
        terms = [(gap.epoch, gap.term("memorisation").estimate) for gap in meter.run.of("loss")]
        rows = alt.Data(values=[{"epoch": n, "value": e.value, "low": e.low, "high": e.high} for n, e in terms])
        at_zero = sum(e.low <= 0 <= e.high for _, e in terms)
        said = [f"its interval holds zero in {at_zero} of {len(terms)} epochs", f"in the last: {terms[-1][1]}"]
        x = alt.X("epoch:Q", title="epoch", axis=alt.Axis(grid=False, tickCount=4), scale=alt.Scale(domain=[0, len(terms)]))
        y = alt.Y("value:Q", title=None if panels else "memorisation: unseen \N{MINUS SIGN} training loss")
        zero = alt.Chart(alt.Data(values=[{}])).mark_rule(color="#1f2328", strokeWidth=1).encode(y=alt.datum(0))
        band = alt.Chart(rows).mark_area(color=colour, opacity=0.3).encode(x, alt.Y("low:Q"), alt.Y2("high:Q"))
        line = alt.Chart(rows).mark_line(color=colour, strokeWidth=2).encode(x, y)
        title = alt.Title(name, subtitle=[text.replace("-", "\N{MINUS SIGN}") for text in said], color=colour)
        panels.append(alt.layer(zero, band, line, title=title).properties(width=250, height=230))
    subtitle = (
        "How much better the network scores on its training examples than on others that it never saw, and 95 % intervals"
    )
    title = alt.Title("A network can't memorise examples that it never sees twice", subtitle=subtitle, offset=24)
    return alt.hconcat(*panels, title=title, spacing=36, config=alt.Config(**on_white())).resolve_scale(y="shared")


if __name__ == "__main__":
    torch.set_num_threads(1)  # the network is too small to share out
    meters = {}
    for name, regime in REGIMES.items():
        meters[name] = train(regime, name=name)
        gaps = meters[name].run.of("loss")
        print(name)
        for gap in gaps[:: len(gaps) // 4]:
            print(f"  {gap}")
        print(f"  {gaps[-1]}\n  {meters[name].explain().overfitting.evidence}\n")
    print(f"drawn: {as_png(draw(meters), 'fresh_or_once.png')}")
