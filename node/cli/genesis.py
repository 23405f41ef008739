"""`bulwark genesis new`: makes an alliance from its description.

Rules: passphrases are random, one a member and one for the CA; they go to one file beside the homes
(to be handed out and deleted), or with --unattended into the homes. Nothing secret is printed.
"""

from __future__ import annotations

import base64
import json
import os
import time
from pathlib import Path

import click

import genesis as genesis_package
from api.auth import generate_api_keys
from genesis.alliance import AUTHORITY, load_alliance
from genesis.errors import AllianceInvalid, FolderInUse, FolderUnusable
from genesis.generator import Generated, generate
from genesis.home import CLEAR_API_KEYS_FILE
from node.cli.faults import Failed, faults
from node.cli.options import emit_json, emit_pairs, json_option
from node.keys import KeystoreError, write_private

PASSPHRASES_FILE = "passphrases.json"
DEFAULT_EXAMPLE = "four-banks.toml"


@click.group(name="genesis")
def command() -> None:
    """Make a new alliance.

    \b
    Example:
      bulwark genesis new --config alliance.toml --out alliance
    """


@command.command(name="new")
@click.option(
    "--config",
    "description",
    type=click.Path(path_type=Path),
    help="Description of the alliance, TOML; without it the example of four banks. Examples are in "
    "the folder genesis/examples.",
)
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    help="New or empty folder for the alliance.",
)
@click.option(
    "--unattended",
    is_flag=True,
    help="Keep each passphrase beside its keystore, so that nodes start without being told.",
)
@json_option
def new(description: Path | None, out: Path, unattended: bool, as_json: bool) -> None:
    """Make keys, certificates, genesis.json and one home folder a node.

    The key of the tags is not made here: the nodes make it together once they run.

    \b
    Example:
      bulwark genesis new --config alliance.toml --out alliance
    """
    passphrases: dict[str, bytes] = {}

    def passphrase_of(name: str) -> bytes:
        return passphrases.setdefault(name, base64.urlsafe_b64encode(os.urandom(24)))

    with faults(setup=(AllianceInvalid, FolderInUse), failure=(FolderUnusable,)):
        alliance = load_alliance(description or _default_example())
        generated = generate(
            alliance,
            out,
            random_bytes=os.urandom,
            now_ms=time.time_ns() // 1_000_000,
            passphrase_of=passphrase_of,
            new_api_keys=generate_api_keys,
            unattended=unattended,
        )
    kept = None if unattended else _keep_passphrases(out, passphrases)
    if as_json:
        emit_json(_document(generated, kept))
    else:
        _tell(generated, kept)


def _default_example() -> Path:
    return Path(genesis_package.__path__[0]) / "examples" / DEFAULT_EXAMPLE


def _keep_passphrases(out: Path, passphrases: dict[str, bytes]) -> Path:
    path = out / PASSPHRASES_FILE
    text = json.dumps(
        {name: value.decode("ascii") for name, value in passphrases.items()}, indent=1
    )
    try:
        write_private(path, text.encode("ascii") + b"\n")
    except KeystoreError as error:
        raise Failed(f"{error}; without it no key opens: remove {out} and start again") from error
    return path


def _document(generated: Generated, kept: Path | None) -> dict[str, object]:
    genesis = generated.genesis
    return {
        "alliance": genesis.alliance,
        "chain_id": genesis.chain_id,
        "genesis_hash": genesis.hash.hex(),
        "genesis": str(generated.out / "genesis.json"),
        "quorum": genesis.validator_set.quorum,
        "authority": str(generated.out / AUTHORITY),
        "passphrases": None if kept is None else str(kept),
        "members": [
            {
                "id": made.id,
                "role": "validator" if made.is_validator else "observer",
                "home": str(made.home),
            }
            for made in generated.homes
        ],
    }


def _tell(generated: Generated, kept: Path | None) -> None:
    genesis = generated.genesis
    validators = genesis.validator_set
    pairs = [
        ("alliance", f"{genesis.alliance} (chain id {genesis.chain_id})"),
        ("genesis hash", genesis.hash.hex()),
        ("validators", f"{len(validators)}, {validators.quorum} votes make a certificate"),
        ("tag key", f"made by the {len(validators)} validators together once their nodes run"),
    ]
    pairs += [(f"home of {made.id}", str(made.home)) for made in generated.homes]
    pairs.append(("API keys", f"{CLEAR_API_KEYS_FILE} in each home: hand out, then delete it"))
    pairs.append(("CA, keep offline", str(generated.out / AUTHORITY)))
    if kept is not None:
        pairs.append(("passphrases", f"{kept}: hand each out by another way, then delete it"))
    pairs.append(("next", f"bulwark node run --home {generated.homes[0].home}"))
    emit_pairs(pairs)
