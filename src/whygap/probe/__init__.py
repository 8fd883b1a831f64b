"""Why does somebody's own model overfit, or not? Their training is repeated with one thing changed at a time.

Importing this package imports no framework.
"""

from whygap.probe.answer import LeftOut, ProbeAnswer, Reason
from whygap.probe.case import Case
from whygap.probe.run import probe

__all__ = ["Case", "LeftOut", "ProbeAnswer", "Reason", "probe"]
