"""Committed compiler output of one contract, read from disk.

Rules it owns: which contracts exist, where their sources and artifacts lie, and the shape of an
artifact file. The runtime only reads artifacts; compiling is `contracts.build`, and a test holds
both equal byte for byte.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final

from msgspec import Struct

from contracts.errors import DamagedArtifact, UnknownContract

CONTRACT_NAMES: Final = (
    "MemberRegistry",
    "RecordRegistry",
    "ConsentRegistry",
    "Governance",
    "EvidenceRegistry",
    "PrivacyKeys",
    "KeyCeremony",
    "QueryLog",
    "Openings",
    "PolicyRegistry",
)

_HERE: Final = Path(__file__).resolve().parent
SOURCE_FOLDER: Final = _HERE / "src"
ARTIFACT_FOLDER: Final = _HERE / "artifacts"


class Artifact(Struct, frozen=True):
    """One compiled contract.

    Attributes:
        name: contract name, also the file stem of source and artifact.
        compiler: compiler and version that made the bytecode.
        evm_version: EVM rule set it was compiled for.
        source_sha256: hex digest of the source file.
        abi: JSON ABI entries as the compiler gives them.
        bytecode: init code without constructor arguments.
        runtime_bytecode: runtime code; the deployed code has the immutables appended.
        method_identifiers: signature -> 4-byte selector.
        storage_slots: storage variable -> its slot.
    """

    name: str
    compiler: str
    evm_version: str
    source_sha256: str
    abi: tuple[Mapping[str, object], ...]
    bytecode: bytes
    runtime_bytecode: bytes
    method_identifiers: Mapping[str, bytes]
    storage_slots: Mapping[str, int]


def source_path(name: str) -> Path:
    """Path of the Vyper source of a contract. Raises UnknownContract."""
    return SOURCE_FOLDER / f"{_known(name)}.vy"


def artifact_path(name: str) -> Path:
    """Path of the committed artifact of a contract. Raises UnknownContract."""
    return ARTIFACT_FOLDER / f"{_known(name)}.json"


@cache
def load_artifact(name: str) -> Artifact:
    """Read the committed artifact of a contract, once per process.

    Raises UnknownContract for a name not in CONTRACT_NAMES, DamagedArtifact for a file that is
    missing or has another shape.
    """
    try:
        fields = json.loads(artifact_path(name).read_bytes())
        return Artifact(
            name=str(fields["name"]),
            compiler=str(fields["compiler"]),
            evm_version=str(fields["evm_version"]),
            source_sha256=str(fields["source_sha256"]),
            abi=tuple(fields["abi"]),
            bytecode=_unhex(fields["bytecode"]),
            runtime_bytecode=_unhex(fields["runtime_bytecode"]),
            method_identifiers={k: _unhex(v) for k, v in fields["method_identifiers"].items()},
            storage_slots={k: int(v) for k, v in fields["storage_slots"].items()},
        )
    except OSError as error:
        raise DamagedArtifact(name, f"not readable ({error.strerror})") from error
    except KeyError as error:
        raise DamagedArtifact(name, f"field {error} is missing") from error
    except (ValueError, TypeError, AttributeError) as error:
        raise DamagedArtifact(name, f"malformed ({type(error).__name__})") from error


def _known(name: str) -> str:
    if name not in CONTRACT_NAMES:
        raise UnknownContract(name, CONTRACT_NAMES)
    return name


def _unhex(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))
