"""Pictures of an experiment, one or two for each question."""

from __future__ import annotations

from whygap.report.capacity_picture import learnt_by_heart
from whygap.report.edge_picture import edge
from whygap.report.epochs_picture import all_turns, turn_and_forecast
from whygap.report.redraws_picture import deviations
from whygap.report.worlds_picture import real_and_ideal

__all__ = ["all_turns", "deviations", "edge", "learnt_by_heart", "real_and_ideal", "turn_and_forecast"]
