"""Decisions as rows: one record of the model, then for each image a JSON object or a line of a table."""

import csv
import io
import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal, get_args

from antehoc.errors import AntehocError
from antehoc.model import Model
from antehoc.model.folder import hashes
from antehoc.plain import finite
from antehoc.types import Decision
from antehoc.version import installed

Format = Literal["jsonl", "csv"]
FORMATS: tuple[Format, ...] = get_args(Format)
COLUMNS = (
    "path", "label", "probability", "verdict", "score", "threshold", "rank", "driven_by", "contradicted_by", "reasons",
    "error",
)  # fmt: skip


def model_record(model: Model) -> dict[str, Any]:
    """What all rows share, once: the model's hashes and version, and how its decisions and verdicts are to be read."""
    own = hashes(model)
    policy = model.policy
    return {
        "kind": "model",
        "antehoc": installed(),
        "system": model.arguments["name"],
        "sha256": own["config.json"],
        "weights_sha256": own["model.safetensors"],
        "classes": list(model.spec.classes),
        "threshold": policy and policy.threshold,
        "alpha": policy and policy.alpha,
        "card": asdict(model.system.card),
    }


def to_row(path: Path | str, item: Decision | AntehocError) -> dict[str, Any]:
    """A decision, or the error of an image, as plain values for JSON; the card is the model's and left out."""
    if isinstance(item, AntehocError):
        return {"kind": "error", "path": str(path), "error": " ".join(str(item).split())}
    plain = item.to_plain()
    del plain["card"]
    return {"kind": "decision", "path": str(path), **plain}


def to_json_line(path: Path | str, item: Decision | AntehocError) -> str:
    """The row as one line of JSON."""
    return json_line(to_row(path, item))


def json_line(values: Mapping[str, Any]) -> str:
    """Plain values as one line of JSON, with null for NaN and infinity, which JSON does not know."""
    try:
        return json.dumps(values, allow_nan=False) + "\n"
    except ValueError:
        return json.dumps(finite(values), allow_nan=False) + "\n"


def to_csv_line(path: Path | str, item: Decision | AntehocError) -> str:
    """The row as one line of a table with `COLUMNS`."""
    cells = dict.fromkeys(COLUMNS, "") | {"path": str(path)}
    if isinstance(item, AntehocError):
        return csv_line(cells | {"error": " ".join(str(item).split())})
    cells["label"] = item.label
    cells["contradicted_by"] = item.contradicted_by or ""
    cells["probability"] = _number(item.probabilities.get(item.label))
    if verdict := item.verdict:
        codes = [reason.code for reason in verdict.reasons if reason.agrees == (verdict.outcome == "accepted")]
        cells |= {
            "verdict": verdict.outcome,
            "score": _number(verdict.score),
            "threshold": _number(verdict.threshold),
            "rank": _number(verdict.rank),
            "driven_by": verdict.driven_by or "",
            "reasons": ";".join(dict.fromkeys(codes)),
        }
    return csv_line(cells)


def csv_line(cells: Mapping[str, str] | None = None) -> str:
    """One line of the table, without a value that its own line break would divide; the header without cells."""
    out = io.StringIO()
    row = COLUMNS if cells is None else [cells[name] for name in COLUMNS]
    csv.writer(out, lineterminator="\n").writerow(row)
    return out.getvalue()


def _number(value: float | None) -> str:
    """Six digits, as many as single precision holds; empty where there is none."""
    return "" if value is None or math.isnan(value) else f"{value:.6g}"
