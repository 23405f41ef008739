"""Settings that hold for every test: none of them is judged by how fast the machine is."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("bulwark", deadline=None)
settings.load_profile("bulwark")
