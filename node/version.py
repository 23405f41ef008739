"""The version of the installed product."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version


def product_version() -> str:
    """Version of the installed package; "unknown" where the sources run uninstalled."""
    try:
        return version("bulwark")
    except PackageNotFoundError:
        return "unknown"
