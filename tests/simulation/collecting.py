"""The garbage collector of a running world: it looks rarely, since next to nothing is garbage.

Messages, effects and votes hold no references to each other that end in a circle, so counting
frees them; looking for circles after every 700 new objects cost a twentieth of a world's time.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

NEW_OBJECTS = 100_000
"""Between two looks at the youngest."""


@contextmanager
def rare_collections() -> Iterator[None]:
    """Look rarely inside the block."""
    before = gc.get_threshold()
    gc.set_threshold(NEW_OBJECTS, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
