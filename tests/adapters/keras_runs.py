"""A small network on the digits, and ways to train it with and without the callback."""

import keras

from whygap.adapters.keras import GapCallback

BACKEND = keras.backend.backend()
CROSS_ENTROPY = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def network(*, dropout=0.0, norm=False, penalty=None, metrics=("accuracy",), loss=CROSS_ENTROPY, **compile_options):
    keras.utils.set_random_seed(7)
    layers = [keras.Input((64,)), keras.layers.Dense(32, kernel_regularizer=penalty)]
    layers += [keras.layers.BatchNormalization()] if norm else []
    layers += [keras.layers.ReLU(), *([keras.layers.Dropout(dropout)] if dropout else []), keras.layers.Dense(10)]
    model = keras.Sequential(layers)
    model.compile(keras.optimizers.Adam(3e-3), loss, metrics=list(metrics), **compile_options)
    return model


def fit(model, digits, *callbacks, epochs=3, **options):
    options = {"batch_size": 32, "validation_data": (digits.x_valid, digits.y_valid), "shuffle": True} | options
    return model.fit(digits.x_train, digits.y_train, epochs=epochs, verbose=0, callbacks=list(callbacks), **options)


def watcher(**options):
    return GapCallback(**({"budget": "exact", "store": False, "verbose": 0} | options))


def weights_by_epoch(digits, epochs, make=network, **options):
    """The same run without whygap: its history and its weights after every epoch."""
    weights = []
    model = make()

    class Keep(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            weights.append(self.model.get_weights())

    history = fit(model, digits, Keep(), epochs=epochs, **options).history
    return model, history, weights
