"""Compare every explanation of one classifier: its own masks, post-hoc methods and controls."""

from antehoc.comparison.compare import DEFAULT, compare
from antehoc.comparison.explained import Explain
from antehoc.comparison.measure import GRID
from antehoc.comparison.table import OWN, RANKED, Comparison, Kind, Rank, Row, Sheet

__all__ = ["DEFAULT", "GRID", "OWN", "RANKED", "Comparison", "Explain", "Kind", "Rank", "Row", "Sheet", "compare"]
