"""The optional engine: atheris (libFuzzer for Python) over the same targets and corpus.

atheris is not a dependency of the project; in an environment that has it, product modules are
instrumented as they are imported, so every execution is traced at little cost. What it keeps goes
to tests/fuzz/failures/atheris-TARGET/; `--replay` runs those files, and the own engine reads them
once they are in the corpus.
"""

from __future__ import annotations

import sys

from tests.fuzz import corpus
from tests.fuzz.targets import PLACES

PRODUCT = ["bulwark", "consensus", "node", "api", "contracts", "genesis"]


def run(name: str, seconds: float, seed: int) -> int:
    """Fuzz until the time is over or something fails; libFuzzer ends the process itself."""
    try:
        import atheris
    except ImportError:
        sys.stdout.write("atheris is not installed; the own engine needs nothing\n")
        return 2
    with atheris.instrument_imports(include=PRODUCT):
        from importlib import import_module

        module, made = PLACES[name]
        target = getattr(import_module(f"tests.fuzz.targets.{module}"), made)()
    folder = corpus.FAILURES / f"atheris-{name}"
    folder.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(target.seeds()):
        (folder / f"seed-{number}").write_bytes(data)
    for file, data in corpus.load(name):
        (folder / file).write_bytes(data)
    arguments = [
        "tests.fuzz", str(folder), f"-seed={seed}", f"-max_total_time={int(seconds)}",
        f"-max_len={target.most_bytes}", f"-artifact_prefix={corpus.FAILURES}/atheris-",
    ]  # fmt: skip
    atheris.Setup(arguments, lambda data: target.run(bytes(data)))
    atheris.Fuzz()
    return 0
