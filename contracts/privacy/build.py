"""Compiles the privacy contracts to their committed artifacts and checks that both agree.

Rules it owns: none but its list; compiler, EVM version and optimiser level are those of
`contracts.build`, a development dependency. Nodes read the artifacts.

    python -m contracts.privacy.build --check    exit status 1 when an artifact is not up to date
    python -m contracts.privacy.build --write    write the artifacts
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Sequence
from typing import Final

from contracts.build import COMPILER_VERSION, EVM_VERSION, WrongCompiler
from contracts.privacy.artifact import PRIVACY_CONTRACT_NAMES, artifact_path, source_path

_OUTPUTS: Final = ["abi", "bytecode", "bytecode_runtime", "method_identifiers", "layout"]


def build(name: str) -> str:
    """Compile one contract and return the text of its artifact file.

    Depends on the source text alone, not on paths or on the working folder.
    Raises UnknownContract, WrongCompiler, and the compiler's errors on a faulty source.
    """
    import vyper
    from vyper.compiler import compile_code
    from vyper.compiler.settings import OptimizationLevel, Settings

    if vyper.__version__.split("+")[0] != COMPILER_VERSION:
        raise WrongCompiler(vyper.__version__)
    source = source_path(name).read_bytes()
    settings = Settings(evm_version=EVM_VERSION, optimize=OptimizationLevel.GAS)
    output = compile_code(
        source.decode("utf-8"),
        contract_path=f"{name}.vy",
        settings=settings,
        output_formats=_OUTPUTS,
    )
    layout = output["layout"]["storage_layout"]
    artifact = {
        "name": name,
        "compiler": f"vyper {COMPILER_VERSION}",
        "evm_version": EVM_VERSION,
        "settings": settings.as_dict(),
        "source_sha256": hashlib.sha256(source).hexdigest(),
        "abi": output["abi"],
        "bytecode": output["bytecode"],
        "runtime_bytecode": output["bytecode_runtime"],
        # The compiler drops leading zeros of a selector; a selector has four bytes.
        "method_identifiers": {
            signature: f"0x{int(selector, 16):08x}"
            for signature, selector in output["method_identifiers"].items()
        },
        "storage_slots": {variable: entry["slot"] for variable, entry in layout.items()},
    }
    return json.dumps(artifact, indent=1) + "\n"


def stale_artifacts() -> list[str]:
    """Names of contracts whose committed artifact differs from what their source builds."""
    return [
        name
        for name in PRIVACY_CONTRACT_NAMES
        if not artifact_path(name).is_file()
        or artifact_path(name).read_text(encoding="utf-8") != build(name)
    ]


def write_artifacts() -> None:
    """Compile every privacy contract and write its artifact file."""
    for name in PRIVACY_CONTRACT_NAMES:
        artifact_path(name).parent.mkdir(exist_ok=True)
        artifact_path(name).write_text(build(name), encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="contracts.privacy.build", description="Artifacts of the privacy contracts"
    )
    mode = parser.add_mutually_exclusive_group(required=True)
    mode.add_argument("--check", action="store_true", help="compare with the sources")
    mode.add_argument("--write", action="store_true", help="compile and write")
    if parser.parse_args(arguments).write:
        write_artifacts()
        return 0
    stale = stale_artifacts()
    for name in stale:
        sys.stderr.write(f"{name}: artifact is not what the source builds; run --write\n")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
