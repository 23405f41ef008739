"""The command that stands in for a node."""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[3]
STAND_IN = (sys.executable, str(HERE / "stand_in.py"))
