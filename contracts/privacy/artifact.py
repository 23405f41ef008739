"""Committed compiler output of the privacy contracts, read from disk.

Rules it owns: which privacy contracts exist and where their artifacts lie; the shape of a file is
that of `contracts.artifact`. They have a list and a folder of their own for as long as genesis
does not place them.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Final

from contracts.artifact import SOURCE_FOLDER, Artifact
from contracts.errors import DamagedArtifact, UnknownContract

PRIVACY_CONTRACT_NAMES: Final = ("PrivacyKeys", "KeyCeremony", "QueryLog", "Openings")
ARTIFACT_FOLDER: Final = Path(__file__).resolve().parent / "artifacts"


def source_path(name: str) -> Path:
    """Path of the Vyper source of a privacy contract. Raises UnknownContract."""
    return SOURCE_FOLDER / f"{_known(name)}.vy"


def artifact_path(name: str) -> Path:
    """Path of the committed artifact of a privacy contract. Raises UnknownContract."""
    return ARTIFACT_FOLDER / f"{_known(name)}.json"


@cache
def load_artifact(name: str) -> Artifact:
    """Read the committed artifact of a privacy contract, once per process.

    Raises UnknownContract for a name not in PRIVACY_CONTRACT_NAMES, DamagedArtifact for a file
    that is missing or has another shape.
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
    if name not in PRIVACY_CONTRACT_NAMES:
        raise UnknownContract(name, PRIVACY_CONTRACT_NAMES)
    return name


def _unhex(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))
