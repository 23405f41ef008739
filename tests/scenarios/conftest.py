"""`pytest tests/scenarios --rewrite-scenarios` records the output of now."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """The one option."""
    parser.addoption(
        "--rewrite-scenarios",
        action="store_true",
        help="record scenario output anew; only commit changes that you understand",
    )
