"""How fast consoles are read: megabytes per second of processor time for each format, on one core; and `whygap explain`.

python benchmarks/logs_speed.py [megabytes]
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

from whygap.logs.consoles import read_console
from whygap.logs.source import Source


def keras_bars(epoch: int, *, back: str) -> str:
    """Return an epoch as Keras 2 draws it, 30 states of the bar each printed over the one before."""
    loss = 1 / (epoch + 1)
    states = []
    for i in range(1, 31):
        bar = "=" * (i - 1) + ">" + "." * (30 - i) if i < 30 else "=" * 30
        time_left = "1s" if i == 30 else f"ETA: {30 - i}s"
        states.append(f"{i * 16}/480 [{bar}] - {time_left} - loss: {loss:.4f} - accuracy: {1 - loss:.4f}")
    full = f"480/480 [{'=' * 30}] - 2s 4ms/step - loss: {loss:.4f} - accuracy: {1 - loss:.4f}"
    valid = f" - val_loss: {loss * 1.1:.4f} - val_accuracy: {1 - loss * 1.1:.4f}"
    over = "\b" * 96 + "\r" if back == "\b" else "\r"
    return f"Epoch {epoch + 1}/100000\n" + over.join([*states, full + valid]) + "\n"


def keras_3_bars(epoch: int) -> str:
    """Return an epoch as Keras 3 draws it in colours, 20 states of the bar each printed over the one before."""
    loss = 1 / (epoch + 1)
    scores = f"accuracy: {1 - loss:.4f} - loss: {loss:.4f}"
    bars = [f"\x1b[32m{'━' * i}\x1b[0m\x1b[37m{'━' * (20 - i)}\x1b[0m" for i in range(1, 21)]
    states = [f"\x1b[1m{i * 24}/480\x1b[0m {bar} \x1b[1m{21 - i}s\x1b[0m 4ms/step - {scores}" for i, bar in enumerate(bars, 1)]
    return f"Epoch {epoch + 1}/100000\n" + ("\b" * 66 + "\r").join([*states, f"{states[-1]} - val_loss: {loss:.4f}"]) + "\n"


def lightning(epoch: int) -> str:
    """Return an epoch as Lightning draws it, 20 states of the bar."""
    shown = f"90.10it/s, v_num=3, train_loss={1 / (epoch + 1):.3f}"
    return "".join(f"Epoch {epoch}: {i * 5:3}%|{'█' * i:20}| {i * 24}/480 [00:{i:02}<00:05, {shown}]\r" for i in range(1, 21))


def keras_verbose_2(epoch: int) -> str:
    """Return an epoch as Keras prints it with verbose=2."""
    loss = 1 / (epoch + 1)
    return (
        f"Epoch {epoch + 1}/9999999\n480/480 - 2s - loss: {loss:.4f} - accuracy: {1 - loss:.4f} "
        f"- val_loss: {loss:.4f} - val_accuracy: {1 - loss:.4f}\n"
    )


def free_form(epoch: int) -> str:
    """Return an epoch of a loop that somebody wrote."""
    loss = 1 / (epoch + 1)
    return f"Epoch: {epoch + 1}, Steps: 64 | Train Loss: {loss:.7f} Vali Loss: {loss * 1.1:.7f} Test Loss: {loss * 1.2:.7f}\n"


def steps(epoch: int) -> str:
    """Return ten lines within an epoch, after the MNIST example of PyTorch."""
    return "".join(
        f"Train Epoch: {epoch + 1} [{i * 6400}/64000 ({i * 10}%)]\tLoss: {1 / (epoch + i):.6f}\n" for i in range(1, 11)
    )


def boosting(epoch: int) -> str:
    """Return an iteration of XGBoost."""
    return f"[{epoch}]\ttrain-logloss:{1 / (epoch + 1):.5f}\teval-logloss:{1.1 / (epoch + 1):.5f}\n"


def dictionaries(epoch: int) -> str:
    """Return an epoch of transformers."""
    loss = 1 / (epoch + 1)
    return (
        f"{{'loss': {loss:.4f}, 'grad_norm': {loss}, 'learning_rate': {loss / 1000}, 'epoch': {epoch + 1}.0}}\n"
        f"{{'eval_loss': {loss}, 'eval_runtime': 3.2, 'epoch': {epoch + 1}.0}}\n"
    )


def table(epoch: int) -> str:
    """Return a row of fastai, after the heading."""
    heading = "epoch     train_loss  valid_loss  accuracy  time\n" if epoch == 0 else ""
    return f"{heading}{epoch:<9} {1 / (epoch + 1):.6f}    {1 / (epoch + 1):.6f}    0.900000  00:07\n"


def one_long_line(_: int) -> str:
    """Return text that has no end of a line."""
    return "loss: 0.5 " * 100


def backspaces(_: int) -> str:
    """Return text that only goes back."""
    return "\b" * 1000


def colours(_: int) -> str:
    """Return text that only changes its colour."""
    return "\x1b[31m" * 200


def prose(i: int) -> str:
    """Return text that speaks of numbers and has no scores."""
    return f"In the {i}th year, 1 of {i % 7 + 2} ships came back, and the others had lost their way to the harbour.\n"


CASES: dict[str, Callable[[int], str]] = {
    "Keras bars, backspaces": lambda epoch: keras_bars(epoch, back="\b"),
    "Keras bars, carriage returns": lambda epoch: keras_bars(epoch, back="\r"),
    "Keras 3 bars, colours": keras_3_bars,
    "Keras verbose=2": keras_verbose_2,
    "printed text, epochs": free_form,
    "printed text, steps": steps,
    "XGBoost": boosting,
    "transformers": dictionaries,
    "fastai table": table,
    "Lightning bars": lightning,
    "one long line": one_long_line,
    "backspaces only": backspaces,
    "escape sequences only": colours,
    "prose": prose,
}


def pieces(write: Callable[[int], str], megabytes: float) -> Iterator[str]:
    """Yield text of the size that is asked for."""
    size, i = 0, 0
    while size < megabytes * 1e6:
        text = write(i)
        size += len(text)
        i += 1
        yield text


def main() -> None:
    """Print a line per format."""
    megabytes = float(sys.argv[1]) if len(sys.argv) > 1 else 20
    watches_memory = "--memory" in sys.argv
    with tempfile.TemporaryDirectory() as folder:
        for name, write in CASES.items():
            path = Path(folder) / "log.txt"
            with path.open("w", encoding="utf-8", newline="") as file:
                file.writelines(pieces(write, megabytes))
            if watches_memory:
                tracemalloc.start()
            start = time.process_time()
            try:
                runs = read_console(Source(path))
                found = f"{runs[0].format}, {sum(len(s.value) for r in runs for s in r.series):,} numbers"
            except ValueError:
                found = "no numbers"
            seconds = time.process_time() - start
            began = time.perf_counter()
            command = [str(Path(sys.executable).with_name("whygap")), "explain", str(path), "--json"]
            code = subprocess.run(command, capture_output=True, check=False).returncode
            whole = time.perf_counter() - began
            size = path.stat().st_size / 1e6
            memory = f", at most {tracemalloc.get_traced_memory()[1] / 1e6:.0f} MB of memory" if watches_memory else ""
            tracemalloc.stop()
            print(
                f"{name:30} {size / seconds:6.1f} MB/s  ({size:.0f} MB in {seconds:.1f} s{memory}), "
                f"the whole command {whole:.1f} s with exit code {code}: {found}",
                flush=True,
            )


if __name__ == "__main__":
    main()
