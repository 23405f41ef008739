"""Builds the parts of a node from its home folder, in the order in which they need each other.

Rules: everything that can be wrong with a home (configuration, keys, certificates, genesis, store)
is found here, before a socket is opened, with one line that says what and where.
"""

from __future__ import annotations

import os
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from bulwark.ledger.errors import GenesisInvalid
from bulwark.ledger.genesis import Genesis
from bulwark.ledger.genesismember import GenesisMember
from bulwark.ledger.ids import MemberId
from bulwark.ledger.signing import SigningKey
from bulwark.privacy.memberkeys import possession_context
from bulwark.privacy.schnorr import REGULATOR_KEY, RING_KEY, verify_encoded_possession
from contracts.bindings import member_id_bytes
from node.ceremony.shares import FILE_NAME as SHARES_FILE
from node.ceremony.shares import ShareStore
from node.config import NodeConfig, load_config
from node.directory import Directory
from node.keys import NodeSecrets
from node.logs import Log
from node.network.identity import LocalIdentity, Member
from node.pki import CertificateUnusable, load_certificate, spki_pin
from node.rotation.keyfile import open_keystore
from node.rotation.keyset import KeySet
from node.rotation.secretsmoves import with_lines
from node.rotation.signers import SignerAtWork
from node.tokens.wiring import keys_at_work

log = Log("node")


class HomeInvalid(Exception):
    """A node's home folder is incomplete or its parts do not belong together."""

    def __init__(self, where: str, detail: str) -> None:
        self.where = where
        self.detail = detail
        super().__init__(f"{where}: {detail}")


class Home(Struct, frozen=True):
    """A checked home folder: who the node is and what it was told."""

    path: Path
    config: NodeConfig
    genesis: Genesis
    member: GenesisMember
    secrets: NodeSecrets
    shares: ShareStore
    """This node's shares of the keys that the members made together."""

    @property
    def voted_marker(self) -> Path:
        """File that says, outside the database, that this node has voted before."""
        return self.path / "node.voted"

    keys: KeySet
    """The keys at work, those to come and former ones; `secrets` is what the node started with."""

    @property
    def vote_key(self) -> SignerAtWork:
        """Signs votes and hellos."""
        return self.keys.vote

    @property
    def account_key(self) -> SignerAtWork:
        """Signs this member's transactions."""
        return self.keys.account


def open_home(path: Path) -> Home:
    """Read and check a home folder; raises HomeInvalid, ConfigError or a keystore error."""
    config = load_config(path)
    genesis = _read_genesis(path / config.genesis)
    secrets = with_lines(open_keystore(path, config.keystore, os.environ).secrets)
    keys = keys_at_work(path, config.keystore, secrets)
    try:
        member = _own_member(config, genesis, secrets, path)
    except GenesisInvalid as error:
        raise HomeInvalid("member", str(error)) from error
    _check_privacy_keys(genesis)
    folder = (path / config.keystore.path).parent
    shares = ShareStore(folder / SHARES_FILE, secrets.vault_key, os.urandom)
    return Home(path, config, genesis, member, secrets, shares, keys)


def _check_privacy_keys(genesis: Genesis) -> None:
    """Refuse a genesis document with a key whose owner did not prove that it knows its secret.

    A ring or an opener with such a key would let somebody act for others. Raises HomeInvalid.
    """
    for member in genesis.members:
        context = possession_context(genesis.chain_id, member_id_bytes(member.id))
        for purpose, key, proof in (
            (RING_KEY, member.ring_key, member.ring_proof),
            (REGULATOR_KEY, member.regulator_key, member.regulator_proof),
        ):
            if key is not None and not verify_encoded_possession(
                purpose, context, key, proof or b""
            ):
                raise HomeInvalid(
                    "genesis.json",
                    f"the proof of possession of {member.id}'s {purpose.decode()} does not hold",
                )


def _own_member(
    config: NodeConfig, genesis: Genesis, secrets: NodeSecrets, path: Path
) -> GenesisMember:
    """Who this home belongs to: its entry in genesis.json, or what it brings when it joins.

    Keys that are not those of genesis.json are taken for keys that came by vote; whether the ledger
    knows them is checked when the chain is open (`check_against_ledger`).
    """
    own = GenesisMember(
        id=MemberId(config.member),
        name=config.member,
        roles=(),
        node=SigningKey(secrets.vote_key).address,
        account=SigningKey(secrets.account_key).address,
        tls_pin=_own_pin(path / config.network.certificate),
    )
    listed = genesis.member(own.id)
    if listed is None or (listed.node, listed.account) == (own.node, own.account):
        return listed or own
    return replace(listed, node=own.node, account=own.account, tls_pin=own.tls_pin)


def _own_pin(certificate: Path) -> bytes:
    try:
        return spki_pin(load_certificate(certificate.read_bytes()))
    except OSError as error:
        raise HomeInvalid(str(certificate), error.strerror or "can not be read") from error
    except CertificateUnusable as error:
        raise HomeInvalid(str(certificate), str(error)) from error


def check_against_ledger(home: Home, directory: Directory, *, is_wiped: bool = False) -> None:
    """Refuse keys that neither genesis.json nor the ledger knows; raises HomeInvalid.

    A member that genesis.json does not list may join later, so it is let run without a vote. So is
    one that lost its database: of keys that came by vote only the blocks to come can tell.
    """
    listed, known = home.genesis.member(home.member.id), directory.member(home.member.id)
    if listed is None and known is None:
        return
    for what, own, entries in (
        ("vote", home.vote_key, (listed and listed.node, known and known.node)),
        ("account", home.account_key, (listed and listed.account, known and known.account)),
    ):
        is_known = any(address in entries for address in own.addresses)
        if not is_known and is_wiped:
            log.warning("a key of this node is not in genesis.json; blocks may tell", which=what)
        elif not is_known:
            raise HomeInvalid(
                "keystore",
                f"the {what} key of {home.member.id} is neither that of genesis.json nor that "
                "of the ledger",
            )


def _read_genesis(path: Path) -> Genesis:
    try:
        return Genesis.from_json(path.read_bytes())
    except OSError as error:
        raise HomeInvalid(str(path), error.strerror or "can not be read") from error
    except GenesisInvalid as error:
        raise HomeInvalid(str(path), str(error)) from error


def network_identity(home: Home) -> LocalIdentity:
    """What this node shows to its peers; raises HomeInvalid for an unreadable certificate.

    The certificate says which TLS key goes with it, the ledger which vote key counts now.
    """
    network = home.config.network
    try:
        certificate = (home.path / network.certificate).read_bytes()
        authority = (home.path / network.authority).read_bytes()
    except OSError as error:
        raise HomeInvalid(str(error.filename), error.strerror or "can not be read") from error
    return LocalIdentity(
        id=home.member.id,
        vote_key=home.vote_key.now,
        domain=home.genesis.domain(),
        certificate_pem=certificate,
        tls_key_pem=home.keys.tls_key(_own_pin(home.path / network.certificate)),
        ca_pem=authority,
    )


def member_table(genesis: Genesis) -> list[Member]:
    """The members as the mesh knows them."""
    return [Member(m.id, m.node, (m.tls_pin,)) for m in genesis.members]
