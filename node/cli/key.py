"""`bulwark key`: the public side of a node's keys, held against the genesis document.

Rules: never a secret; a key that is not the one in the genesis document ends the command with 1.
"""

from __future__ import annotations

import time
from pathlib import Path

import click

from bulwark.ledger.genesis import Genesis
from bulwark.ledger.genesismember import GenesisMember
from bulwark.ledger.ids import MemberId
from bulwark.ledger.signing import SigningKey
from bulwark.privacy.memberkeys import decode_regulator_secret, decode_ring_secret
from bulwark.privacy.sealing import SealingKey
from node.cli.faults import BadSetup, Failed, faults
from node.cli.homes import open_config, open_genesis, open_secrets
from node.cli.key_rotate import rotate
from node.cli.key_status import status
from node.cli.options import emit_json, emit_pairs, home_option, json_option
from node.keys import NodeSecrets
from node.pki import CertificateUnusable, days_left, load_certificate, public_key_pin, spki_pin


@click.group(name="key")
def command() -> None:
    """Show a node's addresses and pins, and replace its keys.

    \b
    Example:
      bulwark key show --home alliance/northbank
      bulwark key status --home alliance/northbank
    """


command.add_command(rotate)
command.add_command(status)


@command.command(name="show")
@home_option
@json_option
def show(home: Path, as_json: bool) -> None:
    """Print addresses, pin and public keys of this home, and whether they are the member's.

    \b
    Example:
      bulwark key show --home alliance/northbank
    """
    config = open_config(home)
    genesis = open_genesis(home, config)
    member = genesis.member(MemberId(config.member))
    if member is None:
        raise BadSetup(f"{config.member} of node.toml is no member in {home / config.genesis}")
    secrets = open_secrets(home, config)
    certificate = home / config.network.certificate
    keys = _public_keys(secrets)
    wrong = _differences(keys, member)
    found = {**keys, **_certificate_facts(certificate, keys["tls_pin"])}
    if as_json:
        emit_json({**_identity(genesis, member), **found, "differs_from_genesis": wrong})
    else:
        pairs = {**_identity(genesis, member), **found}
        emit_pairs([(name.replace("_", " "), _text(value)) for name, value in pairs.items()])
    if wrong:
        raise Failed(f"not the keys of {member.id} in the genesis document: {', '.join(wrong)}")


def _identity(genesis: Genesis, member: GenesisMember) -> dict[str, object]:
    return {
        "member": member.id,
        "name": member.name,
        "roles": list(member.roles),
        "chain_id": genesis.chain_id,
        "genesis_hash": genesis.hash.hex(),
    }


def _public_keys(secrets: NodeSecrets) -> dict[str, str | None]:
    regulator = secrets.regulator_key
    return {
        "node": f"0x{SigningKey(secrets.vote_key).address.hex()}",
        "account": f"0x{SigningKey(secrets.account_key).address.hex()}",
        "tls_pin": public_key_pin(secrets.tls_public_key()).hex(),
        "ring_key": decode_ring_secret(secrets.ring_key).public.encoding.hex(),
        "sealing_key": SealingKey(secrets.sealing_key).public.hex(),
        "regulator_key": (
            None if regulator is None else decode_regulator_secret(regulator).public.encoding.hex()
        ),
    }


def _differences(keys: dict[str, str | None], member: GenesisMember) -> list[str]:
    expected = {
        "node": f"0x{member.node.hex()}",
        "account": f"0x{member.account.hex()}",
        "tls_pin": member.tls_pin.hex(),
    }
    for name in ("ring_key", "sealing_key", "regulator_key"):
        listed: bytes | None = getattr(member, name)
        if listed is not None:
            expected[name] = listed.hex()
    return [name for name, value in expected.items() if keys[name] != value]


def _certificate_facts(path: Path, pin: str | None) -> dict[str, object]:
    try:
        with faults(setup=(CertificateUnusable,)):
            certificate = load_certificate(path.read_bytes())
    except OSError as error:
        raise BadSetup(f"{path}: {error.strerror}") from error
    return {
        "certificate_days_left": int(days_left(certificate, time.time_ns() // 1_000_000)),
        "certificate_is_of_this_key": spki_pin(certificate).hex() == pin,
    }


def _text(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(value) if isinstance(value, list) else str(value)
