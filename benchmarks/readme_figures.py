"""Run the demo and put its picture and its numbers into the README.

python benchmarks/readme_figures.py
"""

from __future__ import annotations

import io
from pathlib import Path

import altair as alt
from rich.console import Console

from whygap.demo import Demo
from whygap.report import as_png, curves, print_epochs, waterfall
from whygap.verdict import judge

ROOT = Path(__file__).parents[1]
BEGIN, END = "<!-- numbers: written by benchmarks/readme_figures.py -->", "<!-- end of numbers -->"


def beside(*charts: alt.LayerChart) -> alt.HConcatChart:
    """Return the charts side by side; the first one's looks are those of the whole, which Altair takes in one place only."""
    config = charts[0].config
    bare = [chart.copy() for chart in charts]
    for chart in bare:
        chart.config = alt.Undefined
    return alt.hconcat(*bare, config=config)


def main() -> None:
    """Write docs/demo.png and the block of numbers in README.md."""
    demo = Demo(store=False)
    demo.train()
    as_png(beside(curves(demo.run), waterfall(demo.run.epochs[0])), ROOT / "docs" / "demo.png")

    text = io.StringIO()
    print_epochs(Console(file=text, width=80, highlight=False), demo.run)
    table = "\n".join(line.rstrip() for line in text.getvalue().strip("\n").splitlines())
    block = f"{BEGIN}\n```\n{table}\n```\n\n> {judge(demo.run).headline}\n{END}"
    readme = ROOT / "README.md"
    before, rest = readme.read_text().split(BEGIN)
    readme.write_text(before + block + rest.split(END)[1])
    print(block)


if __name__ == "__main__":
    main()
