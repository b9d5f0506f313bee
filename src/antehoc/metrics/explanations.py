"""Older names of what `antehoc.metrics` holds, until nothing imports them from here."""

from antehoc.metrics import OF_MAPS, MapMetric, Measure, mean_interval, of_groups

MAP_METRICS = of_groups(*OF_MAPS)
MapMeasure = Measure

__all__ = ["MAP_METRICS", "MapMeasure", "MapMetric", "mean_interval"]
