"""Makes an alliance: CA, keys, certificates, the genesis document, one home a node.

Rules: it writes into a new or empty folder only and leaves it empty when it fails; everything comes
from the randomness, time and passphrases handed in, drawn in ledger order, so that the same input
gives the same genesis document (the signatures on certificates and the sealing of the CA key are
the exception: their library draws its own randomness). Whoever runs it sees every secret for a
moment, but never the key of the tags: that one the members make together once their nodes run.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from bulwark.ledger.genesis import Genesis, GenesisAccount, OprfParameters
from bulwark.ledger.genesismember import GenesisMember
from bulwark.ledger.ids import Address, MemberId, TimestampMs
from bulwark.ledger.signing import SigningKey
from bulwark.privacy.group import self_test
from bulwark.privacy.memberkeys import (
    decode_regulator_secret,
    decode_ring_secret,
    register,
    register_regulator,
)
from bulwark.privacy.sealing import SealingKey
from consensus.config import Config
from contracts.bindings import Member, Role, governed_contracts, member_id_bytes
from contracts.placement import PlacedContract
from contracts.privacy.keys import GenesisKeys, RegulatorKey
from contracts.privacy.placement import privacy_contracts
from genesis.alliance import AUTHORITY, Alliance, MemberPlan
from genesis.errors import FolderInUse, FolderUnusable
from genesis.home import GENESIS_FILE, UNATTENDED_FILE, HomeContent, make_folder, write_home
from node.keys import KeystoreError, NodeSecrets, RandomBytes, write_private
from node.pki import CertificateAuthority, certificate_pem, create_ca, issue, spki_pin

OPRF_KEY_ID: Final = 1
PassphraseOf = Callable[[str], bytes]
"""Passphrase for a member's keystore, or for the CA key by the name `authority`."""
NewApiKeys = Callable[[RandomBytes], tuple[dict[str, str], dict[str, list[dict[str, str]]]]]
"""As api.auth.generate_api_keys: clear keys by role, and the hashed document."""


@dataclass(frozen=True, slots=True)
class GeneratedHome:
    """One node's part of the result."""

    id: MemberId
    home: Path
    is_validator: bool


@dataclass(frozen=True, slots=True)
class Generated:
    """What was made."""

    genesis: Genesis = field(repr=False)
    out: Path
    homes: tuple[GeneratedHome, ...]
    """In ledger order."""


@dataclass(frozen=True, slots=True)
class _Keyed:
    """A member with its keys and its place in the document."""

    secrets: NodeSecrets = field(repr=False)
    certificate: bytes
    record: GenesisMember


def generate(
    alliance: Alliance,
    out: Path,
    *,
    random_bytes: RandomBytes,
    now_ms: int,
    passphrase_of: PassphraseOf,
    new_api_keys: NewApiKeys,
    unattended: bool = False,
) -> Generated:
    """Write the alliance into `out`; with `unattended`, passphrases go beside the keystores.

    `out` gets `genesis.json`, `authority/` (the CA with its encrypted key, to be kept offline) and
    one folder a member. Raises FolderInUse, FolderUnusable.
    """
    self_test()
    _claim(out)
    try:
        ca = create_ca(alliance.name, now_ms=now_ms, random_bytes=random_bytes)
        keyed = _make_members(alliance, ca, now_ms, random_bytes)
        genesis = _document(alliance, tuple(k.record for k in keyed), now_ms)
        _save_authority(out / AUTHORITY, ca, passphrase_of(AUTHORITY), unattended)
        document = genesis.to_json()
        homes = []
        for plan, member in zip(alliance.members, keyed, strict=True):
            clear, hashed = new_api_keys(random_bytes)
            content = HomeContent(
                plan=plan,
                secrets=member.secrets,
                passphrase=passphrase_of(plan.id),
                unattended=unattended,
                genesis=document,
                certificate=member.certificate,
                authority=certificate_pem(ca.certificate),
                clear_api_keys=clear,
                hashed_api_keys=hashed,
            )
            write_home(out / plan.id, content, alliance.members, random_bytes)
            homes.append(GeneratedHome(plan.id, out / plan.id, plan.is_validator))
        # Last, so that a folder with this file is a whole alliance.
        (out / GENESIS_FILE).write_bytes(document)
    except (OSError, KeystoreError) as error:
        _empty(out)
        raise FolderUnusable(out, f"can not be written ({error})") from error
    except BaseException:
        _empty(out)
        raise
    return Generated(genesis, out, tuple(homes))


def _claim(out: Path) -> None:
    """Make sure that `out` is an empty folder of ours."""
    try:
        out.mkdir(mode=0o700, parents=True, exist_ok=True)
        if next(out.iterdir(), None) is not None:
            raise FolderInUse(out, "is not empty")
    except (FileExistsError, NotADirectoryError) as error:
        raise FolderInUse(out, "is not a folder") from error
    except OSError as error:
        raise FolderUnusable(out, error.strerror or "can not be used") from error


def _empty(out: Path) -> None:
    """Remove what a failed run left: the folder was empty before, so all in it is its own."""
    for child in out.iterdir():
        if child.is_dir():
            shutil.rmtree(child, ignore_errors=True)
        else:
            child.unlink(missing_ok=True)


def _make_members(
    alliance: Alliance,
    ca: CertificateAuthority,
    now_ms: int,
    random_bytes: RandomBytes,
) -> list[_Keyed]:
    made = []
    for plan in alliance.members:
        secrets = NodeSecrets.generate(random_bytes, is_regulator="regulator" in plan.roles)
        certificate = issue(
            ca, plan.id, secrets.tls_public_key(), now_ms=now_ms, random_bytes=random_bytes
        )
        record = GenesisMember(
            id=plan.id,
            name=plan.name,
            roles=plan.roles,
            node=SigningKey(secrets.vote_key).address,
            account=SigningKey(secrets.account_key).address,
            tls_pin=spki_pin(certificate),
            **_privacy_keys(alliance.chain_id, plan, secrets, random_bytes),
        )
        made.append(_Keyed(secrets, certificate_pem(certificate), record))
    return made


def _privacy_keys(
    chain_id: int, plan: MemberPlan, secrets: NodeSecrets, random_bytes: RandomBytes
) -> dict[str, bytes]:
    """The public side of a member's ring, sealing and regulator key, with their proofs."""
    identity = member_id_bytes(plan.id)
    sealing = SealingKey(secrets.sealing_key).public
    ring = decode_ring_secret(secrets.ring_key)
    made = register(ring, sealing, chain_id, identity, random_bytes)
    found = {
        "ring_key": made.ring_key.encoding,
        "ring_proof": made.possession,
        "sealing_key": bytes(sealing),
    }
    if secrets.regulator_key is not None:
        regulator = decode_regulator_secret(secrets.regulator_key)
        part = register_regulator(regulator, chain_id, identity, random_bytes)
        found |= {"regulator_key": part.key.encoding, "regulator_proof": part.possession}
    return found


def _document(alliance: Alliance, members: tuple[GenesisMember, ...], now_ms: int) -> Genesis:
    registered = [
        Member(
            id=member_id_bytes(member.id),
            node=member.node,
            account=member.account,
            roles=_role_bits(member.roles),
            tls_pin=member.tls_pin,
        )
        for member in members
    ]
    return Genesis(
        alliance=alliance.name,
        chain_id=alliance.chain_id,
        created_ms=TimestampMs(now_ms),
        gas_limit=alliance.gas_limit,
        consensus=alliance.consensus,
        members=members,
        oprf=OprfParameters(key_id=OPRF_KEY_ID),
        privacy=alliance.privacy,
        permissions=alliance.permissions,
        alloc={
            Address(placed.address): GenesisAccount(
                nonce=placed.nonce, code=placed.code, storage=placed.storage
            )
            for placed in (
                *_governed_contracts(registered, alliance),
                *_privacy_contracts(members, alliance),
            )
        },
    )


def _governed_contracts(members: list[Member], alliance: Alliance) -> tuple[PlacedContract, ...]:
    """The registries, the policies, and the governance with the first values of all parameters."""
    parameters = {**_parameters(alliance), **alliance.privacy_parameters}
    return governed_contracts(members, parameters, alliance.policies)


def _privacy_contracts(
    members: tuple[GenesisMember, ...], alliance: Alliance
) -> tuple[PlacedContract, ...]:
    """Key registry, ceremonies, query log and openings; the first regulator's key opens."""
    keys = [
        GenesisKeys(member_id_bytes(member.id), member.ring_key, member.sealing_key)
        for member in members
        if member.ring_key is not None and member.sealing_key is not None
    ]
    regulator = next((m for m in members if m.regulator_key is not None), None)
    part = None
    if regulator is not None and regulator.regulator_key is not None:
        part = RegulatorKey(regulator.regulator_key, member_id_bytes(regulator.id), 0)
    return privacy_contracts(keys, part, alliance.privacy.epoch_seconds)


def _parameters(alliance: Alliance) -> dict[str, int]:
    """What votes may change later, with the values that hold until then.

    A value of zero, which only the clock's precision may have, is left out: no vote could set it.
    """
    consensus = alliance.consensus
    found = {name: getattr(consensus, name) for name in consensus.__struct_fields__}
    found |= {"gas_limit": alliance.gas_limit, "request_timeout_ms": Config().request_timeout_ms}
    return {name: value for name, value in found.items() if value}


def _role_bits(roles: tuple[str, ...]) -> Role:
    bits = Role(0)
    for role in roles:
        bits |= Role[role.upper()]
    return bits


def _save_authority(
    folder: Path, ca: CertificateAuthority, passphrase: bytes, unattended: bool
) -> None:
    ca.save(make_folder(folder), passphrase)
    if unattended:
        write_private(folder / Path(UNATTENDED_FILE).name, passphrase + b"\n")
