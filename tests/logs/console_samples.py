# ruff: noqa: E501 -- consoles are as wide as they are
"""Consoles as people paste them, written for these tests, with the numbers that stand in them."""

from dataclasses import dataclass, field
from textwrap import dedent

BAR = "[==============================]"
BLOCKS = "━━━━━━━━━━━━━━━━━━━━"
SAMPLES = []


@dataclass
class Sample:
    """A console text, and for each of its runs the numbers by split and score; what evaluate() printed is "evaluation"."""

    name: str
    text: str
    runs: list[dict[str, list[float]]]
    format: str
    epochs: list[float] | None = None
    facts: dict[str, float] = field(default_factory=dict)

    def __str__(self):
        return self.name


def sample(name, console, text, *runs, **more):
    """Keep a sample; its text is written indented, between two line ends that don't belong to it."""
    SAMPLES.append(Sample(name, dedent(text).removeprefix("\n"), list(runs), console, **more))


KERAS = "Keras console"

sample(
    "keras 1, seconds only",
    KERAS,
    f"""
    Train on 60000 samples, validate on 10000 samples
    Epoch 1/2
    60000/60000 {BAR} - 5s - loss: 0.3338 - acc: 0.8984 - val_loss: 0.1612 - val_acc: 0.9521
    Epoch 2/2
    60000/60000 {BAR} - 5s - loss: 0.1540 - acc: 0.9543 - val_loss: 0.1231 - val_acc: 0.9630
    """,
    {
        "train loss": [0.3338, 0.1540],
        "train accuracy": [0.8984, 0.9543],
        "valid loss": [0.1612, 0.1231],
        "valid accuracy": [0.9521, 0.9630],
    },
    epochs=[1, 2],
    facts={"n_train": 60000, "n_valid": 10000, "epochs_planned": 2},
)
sample(
    "keras 0.x, epochs from 0",
    KERAS,
    f"""
    Train on 900 samples, validate on 100 samples
    Epoch 0
    900/900 {BAR} - 0s - loss: 0.6931 - acc.: 0.5010 - val. loss: 0.6901 - val. acc.: 0.5200
    Epoch 1
    900/900 {BAR} - 0s - loss: 0.6902 - acc.: 0.5210 - val. loss: 0.6899 - val. acc.: 0.5300
    """,
    {
        "train loss": [0.6931, 0.6902],
        "train accuracy": [0.5010, 0.5210],
        "valid loss": [0.6901, 0.6899],
        "valid accuracy": [0.52, 0.53],
    },
    epochs=[1, 2],
)
sample(
    "keras 2, steps and time per step",
    KERAS,
    f"""
    Epoch 1/3
    469/469 {BAR} - 2s 3ms/step - loss: 0.4321 - accuracy: 0.8765 - val_loss: 0.2345 - val_accuracy: 0.9321
    Epoch 2/3
    469/469 {BAR} - 1s 3ms/step - loss: 0.2210 - accuracy: 0.9365 - val_loss: 0.1745 - val_accuracy: 0.9488
    """,
    {
        "train loss": [0.4321, 0.2210],
        "train accuracy": [0.8765, 0.9365],
        "valid loss": [0.2345, 0.1745],
        "valid accuracy": [0.9321, 0.9488],
    },
    facts={"steps_per_epoch": 469, "epochs_planned": 3},
)
sample(
    "keras 2, refreshed with backspaces",
    KERAS,
    "Epoch 1/1\n\r 32/100 [========>.....................] - ETA: 1s - loss: 2.3010 - acc: 0.1250"
    + "\b" * 84
    + "\r 64/100 [==================>...........] - ETA: 0s - loss: 2.1000 - acc: 0.2500"
    + "\b" * 84
    + f"\r100/100 {BAR} - 1s 12ms/step - loss: 1.9876 - acc: 0.3300 - val_loss: 1.5432 - val_acc: 0.4400\n",
    {"train loss": [1.9876], "train accuracy": [0.33], "valid loss": [1.5432], "valid accuracy": [0.44]},
    epochs=[1],
)
sample(
    "keras 2, control characters lost in a copy",
    KERAS,
    "Epoch 1/2\n\n 1/60 [..............................] - ETA: 12s - loss: 0.9912 - accuracy: 0.5000"
    "20/60 [=========>....................] - ETA: 3s - loss: 0.8012 - accuracy: 0.5912"
    "60/60 [==============================] - 5s 80ms/step - loss: 0.7312 - accuracy: 0.6312 - val_loss: 0.7011 - val_accuracy: 0.6590\n"
    "Epoch 2/2\n60/60 [==============================] - 4s 78ms/step - loss: 0.6711 - accuracy: 0.6712 - val_loss: 0.6611 "
    "- val_accuracy: 0.6890\n",
    {
        "train loss": [0.7312, 0.6711],
        "train accuracy": [0.6312, 0.6712],
        "valid loss": [0.7011, 0.6611],
        "valid accuracy": [0.659, 0.689],
    },
)
sample(
    "keras 2, everything in one line",
    KERAS,
    f"Epoch 1/2 10/10 {BAR} - 0s - loss: 1.5000 - val_loss: 1.4000Epoch 2/2 10/10 {BAR} - 0s - loss: 1.3000 - val_loss: 1.2500",
    {"train loss": [1.5, 1.3], "valid loss": [1.4, 1.25]},
    epochs=[1, 2],
)
sample(
    "keras 2, checkpoint lines before the finished bar",
    KERAS,
    f"""
    Epoch 1/50
    1874/1875 [============================>.] - ETA: 0s - loss: 0.2876 - accuracy: 0.9121
    Epoch 00001: val_loss improved from inf to 0.14210, saving model to best.h5
    1875/1875 {BAR} - 19s 10ms/step - loss: 0.2875 - accuracy: 0.9122 - val_loss: 0.1421 - val_accuracy: 0.9571
    Epoch 2/50
    1875/1875 {BAR} - ETA: 0s - loss: 0.1312 - accuracy: 0.9601
    Epoch 00002: val_loss did not improve from 0.14210
    1875/1875 {BAR} - 18s 10ms/step - loss: 0.1312 - accuracy: 0.9601 - val_loss: 0.1501 - val_accuracy: 0.9533
    Epoch 00002: early stopping
    """,
    {
        "train loss": [0.2875, 0.1312],
        "train accuracy": [0.9122, 0.9601],
        "valid loss": [0.1421, 0.1501],
        "valid accuracy": [0.9571, 0.9533],
    },
)
sample(
    "keras 2, learning rate as a metric",
    KERAS,
    f"""
    Epoch 1/2
    100/100 {BAR} - 3s 25ms/step - loss: 0.8123 - mae: 0.6543 - val_loss: 0.7012 - val_mae: 0.6012 - lr: 1.0000e-03
    Epoch 2/2
    100/100 {BAR} - 3s 25ms/step - loss: 0.5123 - mae: 0.4543 - val_loss: 0.6012 - val_mae: 0.5012 - lr: 5.0000e-04
    """,
    {
        "train loss": [0.8123, 0.5123],
        "train mae": [0.6543, 0.4543],
        "valid loss": [0.7012, 0.6012],
        "valid mae": [0.6012, 0.5012],
    },
)
sample(
    "keras verbose=2",
    KERAS,
    """
    Epoch 1/3
     - 2s - loss: 0.6912 - acc: 0.5234 - val_loss: 0.6823 - val_acc: 0.5612
    Epoch 2/3
     - 1s - loss: 0.6512 - acc: 0.6234 - val_loss: 0.6423 - val_acc: 0.6412
    Epoch 3/3
     - 1s - loss: 0.5912 - acc: 0.6934 - val_loss: 0.6123 - val_acc: 0.6712
    """,
    {
        "train loss": [0.6912, 0.6512, 0.5912],
        "train accuracy": [0.5234, 0.6234, 0.6934],
        "valid loss": [0.6823, 0.6423, 0.6123],
        "valid accuracy": [0.5612, 0.6412, 0.6712],
    },
)
sample(
    "keras verbose=2 with the number of steps",
    KERAS,
    """
    Epoch 1/2
    25/25 - 1s - loss: 0.3012 - val_loss: 0.2711 - 1s/epoch - 41ms/step
    Epoch 2/2
    25/25 - 0s - loss: 0.2512 - val_loss: 0.2411 - 150ms/epoch - 6ms/step
    """,
    {"train loss": [0.3012, 0.2512], "valid loss": [0.2711, 0.2411]},
)
sample(
    "keras 3 verbose=2",
    KERAS,
    """
    Epoch 1/2
    25/25 - 1s - 41ms/step - accuracy: 0.5512 - loss: 0.6912 - val_accuracy: 0.6112 - val_loss: 0.6511
    Epoch 2/2
    25/25 - 0s - 6ms/step - accuracy: 0.6512 - loss: 0.6112 - val_accuracy: 0.6612 - val_loss: 0.6011
    """,
    {
        "train loss": [0.6912, 0.6112],
        "train accuracy": [0.5512, 0.6512],
        "valid loss": [0.6511, 0.6011],
        "valid accuracy": [0.6112, 0.6612],
    },
)
sample(
    "keras 1 verbose=2",
    KERAS,
    """
    Epoch 1/2
    0s - loss: 0.7112 - acc: 0.4912 - val_loss: 0.6998 - val_acc: 0.5012
    Epoch 2/2
    0s - loss: 0.6912 - acc: 0.5312 - val_loss: 0.6898 - val_acc: 0.5412
    """,
    {
        "train loss": [0.7112, 0.6912],
        "train accuracy": [0.4912, 0.5312],
        "valid loss": [0.6998, 0.6898],
        "valid accuracy": [0.5012, 0.5412],
    },
)
sample(
    "keras 3, blocks",
    KERAS,
    f"""
    Epoch 1/2
    1500/1500 {BLOCKS} 3s 1ms/step - accuracy: 0.8812 - loss: 0.4112 - val_accuracy: 0.9512 - val_loss: 0.1612
    Epoch 2/2
    1500/1500 {BLOCKS} 2s 1ms/step - accuracy: 0.9512 - loss: 0.1612 - val_accuracy: 0.9612 - val_loss: 0.1312
    """,
    {
        "train loss": [0.4112, 0.1612],
        "train accuracy": [0.8812, 0.9512],
        "valid loss": [0.1612, 0.1312],
        "valid accuracy": [0.9512, 0.9612],
    },
)
sample(
    "keras 3, colours and states in a file",
    KERAS,
    "Epoch 1/1\n"
    f"\x1b[1m  1/469\x1b[0m \x1b[37m{BLOCKS}\x1b[0m \x1b[1m1:02\x1b[0m 133ms/step - accuracy: 0.1250 - loss: 2.3512"
    + "\b" * 90
    + f"\r\x1b[1m469/469\x1b[0m \x1b[32m{BLOCKS}\x1b[0m\x1b[37m\x1b[0m \x1b[1m0s\x1b[0m 2ms/step - accuracy: 0.8712 - loss: 0.4612"
    + "\b" * 90
    + f"\r\x1b[1m469/469\x1b[0m \x1b[32m{BLOCKS}\x1b[0m\x1b[37m\x1b[0m \x1b[1m2s\x1b[0m 3ms/step - accuracy: 0.8713 - loss: 0.4610 "
    "- val_accuracy: 0.9412 - val_loss: 0.2012\n",
    {"train loss": [0.4610], "train accuracy": [0.8713], "valid loss": [0.2012], "valid accuracy": [0.9412]},
)
sample(
    "keras 3, colours whose escape was lost",
    KERAS,
    "Epoch 1/5\n"
    f"[1m40/40[0m [32m{BLOCKS}[0m[37m[0m [1m1s[0m 8ms/step - loss: 0.9123 - mae: 0.7512 - val_loss: 0.8001 - val_mae: 0.7001\n"
    "Epoch 2/5\n"
    f"[1m40/40[0m [32m{BLOCKS}[0m[37m[0m [1m0s[0m 4ms/step - loss: 0.7123 - mae: 0.6512 - val_loss: 0.7001 - val_mae: 0.6501\n",
    {
        "train loss": [0.9123, 0.7123],
        "train mae": [0.7512, 0.6512],
        "valid loss": [0.8001, 0.7001],
        "valid mae": [0.7001, 0.6501],
    },
)
sample(
    "keras 3, every state on a line of its own and no validation",
    KERAS,
    f"""
    Epoch 1/2
     1/10 {BLOCKS} 1s 120ms/step - loss: 2.5000
     6/10 {BLOCKS} 0s 12ms/step - loss: 2.2000
    10/10 {BLOCKS} 0s 12ms/step - loss: 2.0000
    10/10 {BLOCKS} 1s 13ms/step - loss: 1.9000
    Epoch 2/2
     1/10 {BLOCKS} 0s 12ms/step - loss: 1.5000
    10/10 {BLOCKS} 0s 12ms/step - loss: 1.2000
    10/10 {BLOCKS} 0s 12ms/step - loss: 1.1000
    """,
    {"train loss": [1.9, 1.1]},
)
sample(
    "keras, unknown number of steps in the first epoch",
    KERAS,
    f"""
    Epoch 1/2
          1/Unknown - 1s 900ms/step - loss: 3.0012
         32/Unknown - 5s 130ms/step - loss: 2.5012
    32/32 {BAR} - 6s 180ms/step - loss: 2.5012 - val_loss: 2.2012
    Epoch 2/2
    32/32 {BAR} - 4s 120ms/step - loss: 2.1012 - val_loss: 2.0012
    """,
    {"train loss": [2.5012, 2.1012], "valid loss": [2.2012, 2.0012]},
)
sample(
    "keras, several outputs",
    KERAS,
    f"""
    Epoch 1/1
    50/50 {BAR} - 9s 90ms/step - loss: 3.1000 - age_loss: 2.0000 - sex_output_1_loss: 1.1000 - sex_output_1_accuracy: 0.6100 """
    """- val_loss: 2.9000 - val_age_loss: 1.9000 - val_sex_output_1_loss: 1.0000 - val_sex_output_1_accuracy: 0.6500
    """,
    {
        "train loss": [3.1],
        "train age_loss": [2.0],
        "train sex_output_1_loss": [1.1],
        "train sex_output_1_accuracy": [0.61],
        "valid loss": [2.9],
        "valid age_loss": [1.9],
        "valid sex_output_1_loss": [1.0],
        "valid sex_output_1_accuracy": [0.65],
    },
)
sample(
    "keras, not a number and infinity",
    KERAS,
    f"""
    Epoch 1/2
    8/8 {BAR} - 1s 30ms/step - loss: inf - acc: 0.0000e+00 - val_loss: nan - val_acc: 1.2000e-04
    Epoch 2/2
    8/8 {BAR} - 0s 10ms/step - loss: nan - acc: 0.0000e+00 - val_loss: nan - val_acc: 0.0000e+00
    """,
    {
        "train loss": [float("inf"), float("nan")],
        "train accuracy": [0, 0],
        "valid loss": [float("nan"), float("nan")],
        "valid accuracy": [1.2e-4, 0],
    },
)
sample(
    "keras, several runs one after another",
    KERAS,
    f"""
    Fold 1
    Epoch 1/2
    8/8 {BAR} - 1s - loss: 0.9000 - val_loss: 0.8000
    Epoch 2/2
    8/8 {BAR} - 1s - loss: 0.7000 - val_loss: 0.7500
    Fold 2
    Epoch 1/2
    8/8 {BAR} - 1s - loss: 0.9100 - val_loss: 0.8100
    Epoch 2/2
    8/8 {BAR} - 1s - loss: 0.7100 - val_loss: 0.7600
    """,
    {"train loss": [0.9, 0.7], "valid loss": [0.8, 0.75]},
    {"train loss": [0.91, 0.71], "valid loss": [0.81, 0.76]},
)
sample(
    "keras, fit called once per epoch",
    KERAS,
    f"""
    Epoch 1/1
    120/120 {BAR} - 1s - loss: 0.5000 - val_loss: 0.4500
    Epoch 1/1
    120/120 {BAR} - 1s - loss: 0.4000 - val_loss: 0.4100
    Epoch 1/1
    120/120 {BAR} - 1s - loss: 0.3500 - val_loss: 0.4000
    """,
    {"train loss": [0.5, 0.4, 0.35], "valid loss": [0.45, 0.41, 0.4]},
    epochs=[1, 2, 3],
)
sample(
    "keras, resumed and cut at both ends",
    KERAS,
    f"""
    ccuracy: 0.7321 - val_loss: 0.9120
    Epoch 31/40
    72/72 {BAR} - 74s 1s/step - loss: 0.4326 - val_loss: 0.9198
    Epoch 32/40
    72/72 {BAR} - 75s 1s/step - loss: 0.4226 - val_loss: 0.9444
    Epoch 33/40
    41/72 [================>.............] - ETA: 31s - loss: 0.41""",
    {"train loss": [0.4326, 0.4226], "valid loss": [0.9198, 0.9444]},
    epochs=[31, 32],
)
sample(
    "keras, first heading cut off, evaluation at the end",
    KERAS,
    f"""
    313/313 {BAR} - 12s 30ms/step - loss: 1.6393 - accuracy: 0.4368 - val_loss: 1.5738 - val_accuracy: 0.4980
    Epoch 2/3
    313/313 {BAR} - 11s 30ms/step - loss: 1.4393 - accuracy: 0.4868 - val_loss: 1.4738 - val_accuracy: 0.5080
    Epoch 3/3
    313/313 {BAR} - 11s 30ms/step - loss: 1.3393 - accuracy: 0.5168 - val_loss: 1.4138 - val_accuracy: 0.5180
    79/79 {BAR} - 1s 8ms/step - loss: 1.4501 - accuracy: 0.5103
    Test accuracy: 0.5103
    """,
    {
        "train loss": [1.6393, 1.4393, 1.3393],
        "train accuracy": [0.4368, 0.4868, 0.5168],
        "valid loss": [1.5738, 1.4738, 1.4138],
        "valid accuracy": [0.4980, 0.5080, 0.5180],
        "evaluation loss": [1.4501],
        "evaluation accuracy": [0.5103, 0.5103],
    },
    epochs=[1, 2, 3],
)
sample(
    "keras, elided epochs",
    KERAS,
    f"""
    Epoch 1/200
    98/98 {BAR} - 21s 200ms/step - loss: 1.9000 - acc: 0.3000 - val_loss: 1.7000 - val_acc: 0.3900
    Epoch 2/200
    98/98 {BAR} - 20s 200ms/step - loss: 1.6000 - acc: 0.4000 - val_loss: 1.5000 - val_acc: 0.4500
    ...
    Epoch 199/200
    98/98 {BAR} - 20s 200ms/step - loss: 0.1000 - acc: 0.9700 - val_loss: 1.9000 - val_acc: 0.7000
    Epoch 200/200
    98/98 {BAR} - 20s 200ms/step - loss: 0.0900 - acc: 0.9800 - val_loss: 1.9500 - val_acc: 0.7010
    """,
    {
        "train loss": [1.9, 1.6, 0.1, 0.09],
        "train accuracy": [0.3, 0.4, 0.97, 0.98],
        "valid loss": [1.7, 1.5, 1.9, 1.95],
        "valid accuracy": [0.39, 0.45, 0.70, 0.701],
    },
    epochs=[1, 2, 199, 200],
)
sample(
    "keras, no heading at all",
    KERAS,
    f"""
    98/98 {BAR} - 20s 200ms/step - loss: 1.9000 - val_loss: 1.7000
    98/98 {BAR} - 20s 200ms/step - loss: 1.6000 - val_loss: 1.5000
    98/98 {BAR} - 20s 200ms/step - loss: 1.5000 - val_loss: 1.4500
    """,
    {"train loss": [1.9, 1.6, 1.5], "valid loss": [1.7, 1.5, 1.45]},
    epochs=[1, 2, 3],
)
sample(
    "keras, quoted in an answer",
    KERAS,
    f"""
    > Epoch 1/2
    > 98/98 {BAR} - 20s 200ms/step - loss: 1.9000 - val_loss: 1.7000
    > Epoch 2/2
    > 98/98 {BAR} - 20s 200ms/step - loss: 1.6000 - val_loss: 1.5000
    """,
    {"train loss": [1.9, 1.6], "valid loss": [1.7, 1.5]},
)
sample(
    "keras, fenced, with a prompt, Windows line ends",
    KERAS,
    ">>> model.fit(x, y, epochs=2, validation_split=0.2)\r\n```\r\nEpoch 1/2\r\n"
    f"98/98 {BAR} - 20s 200ms/step - loss: 1.9000 - val_loss: 1.7000\r\nEpoch 2/2\r\n"
    f"98/98 {BAR} - 20s 200ms/step - loss: 1.6000 - val_loss: 1.5000\r\n```\r\n",
    {"train loss": [1.9, 1.6], "valid loss": [1.7, 1.5]},
)
sample(
    "keras, R with its prompt of comments",
    KERAS,
    f"""
    #> Trained on 48,000 samples, validated on 12,000 samples
    #> Epoch 1/2
    #> 48000/48000 {BAR} - 3s 61us/sample - loss: 0.2512 - accuracy: 0.9250 - val_loss: 0.1212 - val_accuracy: 0.9650
    #> Epoch 2/2
    #> 48000/48000 {BAR} - 3s 59us/sample - loss: 0.1012 - accuracy: 0.9690 - val_loss: 0.0912 - val_accuracy: 0.9720
    """,
    {
        "train loss": [0.2512, 0.1012],
        "train accuracy": [0.925, 0.969],
        "valid loss": [0.1212, 0.0912],
        "valid accuracy": [0.965, 0.972],
    },
    facts={"n_train": 48000, "n_valid": 12000, "epochs_planned": 2},
)
sample(
    "keras, lower case and shortened bars",
    KERAS,
    """
    epoch 1/20
    250/250 [===] - 3s - loss: 0.7000 - val_loss: 0.6500
    epoch 2/20
    250/250 [=====] - 3s - loss: 0.6000 - val_loss: 0.6100
    """,
    {"train loss": [0.7, 0.6], "valid loss": [0.65, 0.61]},
)
sample(
    "keras, bars dropped",
    KERAS,
    """
    Epoch 1/20
    loss: 0.7000 - acc: 0.5000 - val_loss: 0.6500 - val_acc: 0.5500
    Epoch 2/20
    loss: 0.6000 - acc: 0.6000 - val_loss: 0.6100 - val_acc: 0.5700
    """,
    {"train loss": [0.7, 0.6], "train accuracy": [0.5, 0.6], "valid loss": [0.65, 0.61], "valid accuracy": [0.55, 0.57]},
    epochs=[1, 2],
)
sample(
    "keras, wrapped at 80 columns within words",
    KERAS,
    f"""
    Epoch 1/2
    1250/1250 {BAR} - 341s 273ms/step - loss: 0.3103 - a
    ccuracy: 0.8662 - val_loss: 0.2502 - val_accuracy: 0.9005
    Epoch 2/2
    1250/1250 {BAR} - 340s 272ms/step - loss: 0.2103 - a
    ccuracy: 0.9162 - val_loss: 0.2202 - val_accuracy: 0.9105
    """,
    {
        "train loss": [0.3103, 0.2103],
        "train accuracy": [0.8662, 0.9162],
        "valid loss": [0.2502, 0.2202],
        "valid accuracy": [0.9005, 0.9105],
    },
)
sample(
    "keras, wrapped between scores",
    KERAS,
    f"""
    Epoch 1/2
    125/125 {BAR} - 34s 273ms/step - loss: 0.3103 - acc: 0.8662 -
    val_loss: 0.2502 - val_acc: 0.9005
    Epoch 2/2
    125/125 {BAR} - 34s 273ms/step - loss: 0.2103
      - acc: 0.9162 - val_loss: 0.2202 - val_acc: 0.9105
    """,
    {
        "train loss": [0.3103, 0.2103],
        "train accuracy": [0.8662, 0.9162],
        "valid loss": [0.2502, 0.2202],
        "valid accuracy": [0.9005, 0.9105],
    },
)
sample(
    "keras, warnings within",
    KERAS,
    f"""
    2024-03-01 10:11:12.131415: I tensorflow/core/platform/cpu_feature_guard.cc:151] This TensorFlow binary is optimized
    WARNING:tensorflow:From train.py:12: The name tf.losses is deprecated.
    Epoch 1/2
      3/100 [..............................] - ETA: 5s - loss: 0.9000WARNING:tensorflow:Callbacks method is slow (batch time: 0.01s)
    100/100 {BAR} - 5s 50ms/step - loss: 0.7000 - val_loss: 0.6000
    /usr/lib/python3/dist-packages/keras/engine/training.py:493: CustomMaskWarning: a layer with mask_loss: 1
    Epoch 2/2
    100/100 {BAR} - 5s 50ms/step - loss: 0.6000 - val_loss: 0.5500
    """,
    {"train loss": [0.7, 0.6], "valid loss": [0.6, 0.55]},
)
sample(
    "keras, time stamps of a container",
    KERAS,
    f"""
    2023-05-04T10:11:12.123456789Z Epoch 1/2
    2023-05-04T10:11:19.123456789Z 100/100 {BAR} - 5s 50ms/step - loss: 0.7000 - val_loss: 0.6000
    2023-05-04T10:11:19.223456789Z Epoch 2/2
    2023-05-04T10:11:25.123456789Z 100/100 {BAR} - 5s 50ms/step - loss: 0.6000 - val_loss: 0.5500
    """,
    {"train loss": [0.7, 0.6], "valid loss": [0.6, 0.55]},
)
sample(
    "keras, evaluation in a callback before the bar is finished",
    KERAS,
    f"""
    Epoch 1/2
     99/100 [============================>.] - ETA: 0s - loss: 0.7100
    20/20 {BAR} - 0s 8ms/step - loss: 0.6800
    100/100 {BAR} - 5s 50ms/step - loss: 0.7000 - val_loss: 0.6000
    Epoch 2/2
     99/100 [============================>.] - ETA: 0s - loss: 0.6100
    20/20 {BAR} - 0s 8ms/step - loss: 0.5800
    100/100 {BAR} - 5s 50ms/step - loss: 0.6000 - val_loss: 0.5500
    """,
    {"train loss": [0.7, 0.6], "valid loss": [0.6, 0.55], "evaluation loss": [0.68, 0.58]},
)
sample(
    "keras, evaluation of tf 2.0",
    KERAS,
    f"""
    Train on 60000 samples
    Epoch 1/1
    60000/60000 {BAR} - 4s 62us/sample - loss: 0.2969 - accuracy: 0.9142
    10000/1 - 0s - loss: 0.0688 - accuracy: 0.9575
    """,
    {"train loss": [0.2969], "train accuracy": [0.9142], "evaluation loss": [0.0688], "evaluation accuracy": [0.9575]},
    facts={"n_train": 60000},
)
sample(
    "keras, a console that has no blocks",
    KERAS,
    """
    Epoch 1/1
    1500/1500 ???????????????????? 3s 1ms/step - accuracy: 0.8812 - loss: 0.4112 - val_accuracy: 0.9512 - val_loss: 0.1612
    """,
    {"train loss": [0.4112], "train accuracy": [0.8812], "valid loss": [0.1612], "valid accuracy": [0.9512]},
)
sample(
    "keras, only unfinished epochs",
    KERAS,
    """
    Epoch 3/20
     24/96 [======>.......................] - ETA: 1:02 - loss: 0.5512
     48/96 [==============>...............] - ETA: 41s - loss: 0.5012
    """,
    {"train loss": [0.5012]},
    epochs=[2.5],
)
sample(
    "keras, written backspaces of a notebook",
    KERAS,
    "Epoch 1/1\n\\r 32/100 [========>.....] - ETA: 1s - loss: 2.3010" + "\\x08" * 60 + "\r"
    f"100/100 {BAR} - 1s 12ms/step - loss: 1.9876 - val_loss: 1.5432\n",
    {"train loss": [1.9876], "valid loss": [1.5432]},
)

sample(
    "keras, cut within the last number",
    KERAS,
    f"""
    Epoch 1/9
    98/98 {BAR} - 20s 200ms/step - loss: 1.9000 - val_loss: 1.7123
    Epoch 2/9
    98/98 {BAR} - 20s 200ms/step - loss: 1.6000 - val_loss: 1.5010
    Epoch 3/9
    98/98 {BAR} - 20s 200ms/step - loss: 1.5000 - val_loss: 1.4""",
    {"train loss": [1.9, 1.6, 1.5], "valid loss": [1.7123, 1.501]},
)

FASTAI = "fastai table"

sample(
    "fastai 1 and 2",
    FASTAI,
    """
    epoch     train_loss  valid_loss  error_rate  accuracy  time
    0         1.012345    0.512345    0.160000    0.840000  00:41
    1         0.612345    0.412345    0.130000    0.870000  00:40
    """,
    {
        "train loss": [1.012345, 0.612345],
        "valid loss": [0.512345, 0.412345],
        "valid error_rate": [0.16, 0.13],
        "valid accuracy": [0.84, 0.87],
    },
    epochs=[1, 2],
)
sample(
    "fastai, tabs of a notebook, frozen and unfrozen",
    FASTAI,
    "epoch\ttrain_loss\tvalid_loss\taccuracy\ttime\n0\t0.9\t0.5\t0.8\t00:10\nepoch\ttrain_loss\tvalid_loss\taccuracy\ttime\n"
    "0\t0.7\t0.4\t0.85\t00:12\n1\t0.6\t0.38\t0.86\t00:12\n",
    {"train loss": [0.9], "valid loss": [0.5], "valid accuracy": [0.8]},
    {"train loss": [0.7, 0.6], "valid loss": [0.4, 0.38], "valid accuracy": [0.85, 0.86]},
)
sample(
    "fastai, pasted without alignment",
    FASTAI,
    """
    epoch train_loss valid_loss accuracy time
    0 0.497177 0.404711 0.816720 09:27
    1 0.397177 0.374711 0.836720 09:21
    """,
    {"train loss": [0.497177, 0.397177], "valid loss": [0.404711, 0.374711], "valid accuracy": [0.81672, 0.83672]},
)
sample(
    "fastai 1.0, total time and epochs from 1",
    FASTAI,
    """
    Total time: 00:25
    epoch  train_loss  valid_loss  accuracy
    1      0.123456    0.054321    0.981234  (00:12)
    epoch  train_loss  valid_loss  accuracy
    1      0.123456    0.054321    0.981234
    2      0.083456    0.044321    0.985234
    """,
    {"train loss": [0.123456, 0.083456], "valid loss": [0.054321, 0.044321], "valid accuracy": [0.981234, 0.985234]},
    epochs=[1, 2],
)
sample(
    "fastai, a cell per line",
    FASTAI,
    "epoch\ntrain_loss\nvalid_loss\naccuracy\ntime\n0\n0.9\n0.5\n0.80\n00:10\n1\n0.8\n0.45\n0.82\n00:10\n",
    {"train loss": [0.9, 0.8], "valid loss": [0.5, 0.45], "valid accuracy": [0.8, 0.82]},
)
sample(
    "fastai 0.7",
    FASTAI,
    """
    epoch      trn_loss   val_loss   accuracy
        0      0.052345   0.031234   0.989
        1      0.042345   0.028234   0.990
    """,
    {"train loss": [0.052345, 0.042345], "valid loss": [0.031234, 0.028234], "valid accuracy": [0.989, 0.99]},
)
sample(
    "skorch",
    "skorch table",
    "  epoch    train_loss    valid_acc    valid_loss    cp     dur\n"
    "-------  ------------  -----------  ------------  ----  ------\n"
    "      1        \x1b[36m0.6912\x1b[0m       \x1b[32m0.5500\x1b[0m        \x1b[35m0.6812\x1b[0m     +  0.0512\n"
    "      2        \x1b[36m0.6712\x1b[0m       0.5400        0.6850        0.0498\n",
    {"train loss": [0.6912, 0.6712], "valid accuracy": [0.55, 0.54], "valid loss": [0.6812, 0.685]},
    epochs=[1, 2],
)
sample(
    "transformers, table of a notebook",
    "transformers table",
    "Epoch\tTraining Loss\tValidation Loss\tAccuracy\tF1\n1\tNo log\t0.512300\t0.812000\t0.805000\n2\t0.523400\t0.452300\t0.842000\t0.835000\n",
    {"train loss": [0.5234], "valid loss": [0.5123, 0.4523], "valid accuracy": [0.812, 0.842], "valid f1": [0.805, 0.835]},
)
sample(
    "transformers, table without alignment",
    "transformers table",
    """
    Step Training Loss Validation Loss
    500 2.413500 2.201300
    1000 2.113500 2.051300
    """,
    {"train loss": [2.4135, 2.1135], "valid loss": [2.2013, 2.0513]},
)
sample(
    "transformers, model card",
    "transformers table",
    """
    | Training Loss | Epoch | Step | Validation Loss | Accuracy |
    |:-------------:|:-----:|:----:|:---------------:|:--------:|
    | No log        | 1.0   | 125  | 0.4123          | 0.8512   |
    | 0.3912        | 2.0   | 250  | 0.3923          | 0.8612   |
    """,
    {"train loss": [0.3912], "valid loss": [0.4123, 0.3923], "valid accuracy": [0.8512, 0.8612]},
)
sample(
    "a table of one's own",
    "printed table",
    """
    Epoch | Train loss | Valid loss | Valid acc
    ------------------------------------------
      1   |   0.9012   |   0.8012   |  61.20
      2   |   0.7012   |   0.7212   |  66.10
    """,
    {"train loss": [0.9012, 0.7012], "valid loss": [0.8012, 0.7212], "valid accuracy": [61.2, 66.1]},
)

HF = "transformers console"

sample(
    "transformers, dictionaries",
    HF,
    """
    {'loss': 1.5126, 'learning_rate': 1.2459016393442624e-05, 'epoch': 0.44}
    {'eval_loss': 1.2490781545639038, 'eval_runtime': 2.5, 'eval_samples_per_second': 400.0, 'epoch': 0.44}
    {'loss': 1.1126, 'learning_rate': 9.459016393442624e-06, 'epoch': 0.88}
    {'eval_loss': 1.0490781545639038, 'eval_runtime': 2.5, 'eval_samples_per_second': 400.0, 'epoch': 0.88}
    {'train_runtime': 61.2, 'train_samples_per_second': 81.0, 'train_loss': 1.3126, 'epoch': 1.0}
    """,
    {"train loss": [1.5126, 1.1126], "valid loss": [1.2490781545639038, 1.0490781545639038]},
)
sample(
    "transformers, bars before the dictionaries",
    HF,
    "  0%|          | 0/300 [00:00<?, ?it/s]\r 33%|███▎      | 100/300 [00:10<00:20,  9.8it/s]"
    "{'loss': 0.6931, 'grad_norm': 2.31, 'learning_rate': 3.3e-05, 'epoch': 1.0}\n"
    "  0%|          | 0/25 [00:00<?, ?it/s]\r100%|██████████| 25/25 [00:01<00:00, 21it/s]\x1b[A"
    "                                      {'eval_loss': 0.5512, 'eval_accuracy': 0.71, 'epoch': 1.0}\n"
    " 66%|██████▋   | 200/300 [00:21<00:10,  9.8it/s]{'loss': 0.4931, 'grad_norm': 1.31, 'learning_rate': 1.6e-05, 'epoch': 2.0}\n"
    "{'eval_loss': 0.4512, 'eval_accuracy': 0.79, 'epoch': 2.0}\n",
    {"train loss": [0.6931, 0.4931], "valid loss": [0.5512, 0.4512], "valid accuracy": [0.71, 0.79]},
    epochs=[1, 2],
)
sample(
    "transformers 5, numbers in quotation marks",
    HF,
    """
    {'loss': '0.6931', 'grad_norm': '2.31', 'learning_rate': '3.3e-05', 'epoch': '1'}
    {'eval_loss': '0.5512', 'eval_runtime': '1.2', 'epoch': '1'}
    """,
    {"train loss": [0.6931], "valid loss": [0.5512]},
)
sample(
    "transformers, a dictionary wrapped at 80 columns",
    HF,
    "{'loss': 0.6931, 'grad_norm': 2.3112345678901234, 'learning_rate': 3.33333333333\n333e-05, 'epoch': 1.0}\n"
    "{'eval_loss': 0.5512,\n 'eval_runtime': 1.2,\n 'epoch': 1.0}\n",
    {"train loss": [0.6931], "valid loss": [0.5512]},
)

XGB, LGB, CAT = "XGBoost console", "LightGBM console", "CatBoost console"

sample(
    "xgboost, watchlist",
    XGB,
    "[0]\ttrain-rmse:0.52123\teval-rmse:0.62123\n[1]\ttrain-rmse:0.42123\teval-rmse:0.55123\n[2]\ttrain-rmse:0.35123\teval-rmse:0.51123\n",
    {"train rmse": [0.52123, 0.42123, 0.35123], "valid rmse": [0.62123, 0.55123, 0.51123]},
    epochs=[1, 2, 3],
)
sample(
    "xgboost, sets without names, early stopping",
    XGB,
    """
    [0]     validation_0-logloss:0.60123    validation_1-logloss:0.61123
    Multiple eval metrics have been passed: 'validation_1-logloss' will be used for early stopping.

    Will train until validation_1-logloss hasn't improved in 2 rounds.
    [1]     validation_0-logloss:0.50123    validation_1-logloss:0.56123
    [2]     validation_0-logloss:0.45123    validation_1-logloss:0.57123
    Stopping. Best iteration:
    [1]     validation_0-logloss:0.50123    validation_1-logloss:0.56123
    """,
    {"unknown logloss": [0.60123, 0.50123, 0.45123, 0.61123, 0.56123, 0.57123]},
)
sample(
    "xgboost of R, every tenth",
    XGB,
    "[1]\ttrain-error:0.046522\ttest-error:0.042831 \n[11]\ttrain-error:0.022263\ttest-error:0.021726 \n",
    {"train error": [0.046522, 0.022263], "test error": [0.042831, 0.021726]},
    epochs=[1, 11],
)
sample(
    "xgboost, cross-validation with deviations",
    XGB,
    "[0]\ttrain-auc:0.90123+0.00512\ttest-auc:0.85123+0.01012\n[10]\ttrain-auc:0.95123+0.00312\ttest-auc:0.87123+0.00912\n",
    {"train auc": [0.90123, 0.95123], "test auc": [0.85123, 0.87123]},
    epochs=[1, 11],
)
sample(
    "xgboost, in the cloud",
    XGB,
    "[2020-05-06 10:11:12.131 ip-10-0:7 INFO] train matrix has 6000 rows\n[0]#011train-mae:8.12345#011validation-mae:8.22345\n"
    "[1]#011train-mae:6.12345#011validation-mae:6.42345\n",
    {"train mae": [8.12345, 6.12345], "valid mae": [8.22345, 6.42345]},
)
sample(
    "lightgbm",
    LGB,
    """
    [LightGBM] [Info] Number of positive: 1200, number of negative: 3800
    [LightGBM] [Warning] Accuracy may be bad since you didn't explicitly set num_leaves
    Training until validation scores don't improve for 50 rounds
    [10]	training's binary_logloss: 0.412345	valid_1's binary_logloss: 0.452345
    [20]	training's binary_logloss: 0.352345	valid_1's binary_logloss: 0.432345
    Early stopping, best iteration is:
    [18]	training's binary_logloss: 0.362345	valid_1's binary_logloss: 0.431345
    """,
    {"train binary_logloss": [0.412345, 0.352345], "valid binary_logloss": [0.452345, 0.432345]},
    epochs=[10, 20],
)
sample(
    "lightgbm, several metrics and a set without a name",
    LGB,
    "[1]\tvalid_0's auc: 0.812345\tvalid_0's average_precision: 0.512345\n[2]\tvalid_0's auc: 0.822345\tvalid_0's average_precision: 0.532345\n",
    {"unknown auc": [0.812345, 0.822345], "unknown average_precision": [0.512345, 0.532345]},
)
sample(
    "lightgbm, its own log lines",
    LGB,
    """
    [LightGBM] [Info] Iteration:1, training l2 : 0.5
    [LightGBM] [Info] Iteration:1, valid_1 l2 : 0.6
    [LightGBM] [Info] 0.015303 seconds elapsed, finished iteration 1
    [LightGBM] [Info] Iteration:2, training l2 : 0.4
    [LightGBM] [Info] Iteration:2, valid_1 l2 : 0.55
    """,
    {"train l2": [0.5, 0.4], "valid l2": [0.6, 0.55]},
    epochs=[1, 2],
)
sample(
    "catboost",
    CAT,
    "Learning rate set to 0.08\n0:\tlearn: 0.6731523\ttest: 0.6749012\tbest: 0.6749012 (0)\ttotal: 55ms\tremaining: 55s\n"
    "100:\tlearn: 0.3131523\ttest: 0.3549012\tbest: 0.3529012 (97)\ttotal: 3.7s\tremaining: 33s\n\nbestTest = 0.3529012\nbestIteration = 97\n",
    {"train loss": [0.6731523, 0.3131523], "valid loss": [0.6749012, 0.3549012]},
    epochs=[1, 101],
)
sample(
    "catboost without validation",
    CAT,
    "0:\tlearn: 1.0821\ttotal: 2.1ms\tremaining: 2.1s\n1:\tlearn: 1.0621\ttotal: 4.1ms\tremaining: 2.0s\n",
    {"train loss": [1.0821, 1.0621]},
)

sample(
    "lightning, several epochs in one line",
    "Lightning progress bar",
    "Sanity Checking DataLoader 0: 100%|██████████| 2/2 [00:00<00:00, 48.10it/s]\r"
    "Epoch 0:  50%|█████     | 235/469 [00:02<00:02, 90.10it/s, v_num=3, train_loss=0.712]\r"
    "Epoch 0: 100%|██████████| 469/469 [00:05<00:00, 90.10it/s, v_num=3, train_loss=0.512]\r"
    "Validation DataLoader 0: 100%|██████████| 79/79 [00:00<00:00, 148.10it/s]\r"
    "Epoch 0: 100%|██████████| 469/469 [00:05<00:00, 80.10it/s, v_num=3, train_loss=0.512, val_loss=0.402]\r"
    "Epoch 1: 100%|██████████| 469/469 [00:05<00:00, 90.10it/s, v_num=3, train_loss=0.312, val_loss=0.402]\r"
    "Epoch 1: 100%|██████████| 469/469 [00:05<00:00, 80.10it/s, v_num=3, train_loss=0.312, val_loss=0.302]\n"
    "`Trainer.fit` stopped: `max_epochs=2` reached.\n",
    {"train loss": [0.512, 0.312], "valid loss": [0.402, 0.302]},
    epochs=[1, 2],
)
sample(
    "ultralytics",
    "Ultralytics console",
    """
          Epoch    GPU_mem   box_loss   cls_loss   dfl_loss  Instances       Size
            1/50      2.61G      1.153      3.381      1.352         22        640: 100%|██████████| 8/8 [00:03<00:00,  2.51it/s]
                     Class     Images  Instances      Box(P          R      mAP50  mAP50-95): 100%|██████████| 4/4 [00:01<00:00]
                       all        128        929      0.641      0.537      0.605      0.446

          Epoch    GPU_mem   box_loss   cls_loss   dfl_loss  Instances       Size
            2/50      2.61G      1.053      2.881      1.252         19        640: 100%|██████████| 8/8 [00:02<00:00,  3.11it/s]
                     Class     Images  Instances      Box(P          R      mAP50  mAP50-95): 100%|██████████| 4/4 [00:01<00:00]
                       all        128        929      0.661      0.557      0.625      0.456
    """,
    {
        "train box_loss": [1.153, 1.053],
        "train cls_loss": [3.381, 2.881],
        "train dfl_loss": [1.352, 1.252],
        "valid P": [0.641, 0.661],
        "valid R": [0.537, 0.557],
        "valid mAP50": [0.605, 0.625],
        "valid mAP50-95": [0.446, 0.456],
    },
    epochs=[1, 2],
    facts={"epochs_planned": 50},
)
