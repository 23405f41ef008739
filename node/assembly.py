"""Builds the parts of a node from its home folder, in the order in which they need each other.

Rules: everything that can be wrong with a home (configuration, keys, certificates, genesis, store)
is found here, before a socket is opened, with one line that says what and where.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

from bulwark.ledger.errors import GenesisInvalid
from bulwark.ledger.genesis import Genesis
from bulwark.ledger.genesismember import GenesisMember
from bulwark.ledger.ids import MemberId
from bulwark.ledger.signing import SigningKey
from bulwark.privacy.errors import PrivacyError
from bulwark.privacy.group import decode_element, decode_scalar
from bulwark.privacy.threshold import EvaluatorShare, ThresholdKey
from node.config import NodeConfig, load_config
from node.directory import Directory
from node.keys import NodeSecrets, passphrase_from
from node.logs import Log
from node.network.identity import LocalIdentity, Member
from node.pki import CertificateUnusable, load_certificate, spki_pin

log = Log("node")


class HomeInvalid(Exception):
    """A node's home folder is incomplete or its parts do not belong together."""

    def __init__(self, where: str, detail: str) -> None:
        self.where = where
        self.detail = detail
        super().__init__(f"{where}: {detail}")


@dataclass(frozen=True, slots=True)
class Home:
    """A checked home folder: who the node is and what it was told."""

    path: Path
    config: NodeConfig
    genesis: Genesis
    member: GenesisMember
    secrets: NodeSecrets
    threshold_key: ThresholdKey
    share: EvaluatorShare | None
    """This node's part of the OPRF key; None for an observer."""

    @property
    def voted_marker(self) -> Path:
        """File that says, outside the database, that this node has voted before."""
        return self.path / "node.voted"

    @property
    def vote_key(self) -> SigningKey:
        """Signs votes and hellos."""
        return SigningKey(self.secrets.vote_key)

    @property
    def account_key(self) -> SigningKey:
        """Signs this member's transactions."""
        return SigningKey(self.secrets.account_key)


def open_home(path: Path) -> Home:
    """Read and check a home folder; raises HomeInvalid, ConfigError or a keystore error."""
    config = load_config(path)
    genesis = _read_genesis(path / config.genesis)
    passphrase_file = config.keystore.passphrase_file
    passphrase = passphrase_from(
        os.environ, None if passphrase_file is None else path / passphrase_file
    )
    secrets = NodeSecrets.load(path / config.keystore.path, passphrase)
    try:
        member = _own_member(config, genesis, secrets, path)
    except GenesisInvalid as error:
        raise HomeInvalid("member", str(error)) from error
    try:
        key = threshold_key_of(genesis)
        share = _share_of(member, secrets)
    except PrivacyError as error:
        raise HomeInvalid("OPRF key", str(error)) from error
    return Home(path, config, genesis, member, secrets, key, share)


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
        ("vote", home.member.node, (listed and listed.node, known and known.node)),
        ("account", home.member.account, (listed and listed.account, known and known.account)),
    ):
        if own not in entries and is_wiped:
            log.warning("a key of this node is not in genesis.json; blocks may tell", which=what)
        elif own not in entries:
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


def threshold_key_of(genesis: Genesis) -> ThresholdKey:
    """The public OPRF key of an alliance; raises PrivacyError if its parts do not fit."""
    keys = {m.oprf_index: m.oprf_key for m in genesis.members if m.oprf_index is not None}
    shares = tuple(decode_element(keys[index] or b"") for index in sorted(keys))
    return ThresholdKey(genesis.oprf.threshold, decode_element(genesis.oprf.public_key), shares)


def evaluators_of(genesis: Genesis) -> dict[int, MemberId]:
    """Members that hold a share, by its index."""
    return {m.oprf_index: m.id for m in genesis.members if m.oprf_index is not None}


def _share_of(member: GenesisMember, secrets: NodeSecrets) -> EvaluatorShare | None:
    if secrets.oprf_share is None:
        if member.oprf_index is not None:
            raise HomeInvalid("keystore", f"the OPRF share of {member.id} is missing")
        return None
    index, secret = secrets.oprf_share
    if index != member.oprf_index or member.oprf_key is None:
        raise HomeInvalid("keystore", f"the OPRF share is not the one of {member.id}")
    return EvaluatorShare(index, decode_scalar(secret), decode_element(member.oprf_key))


def network_identity(home: Home) -> LocalIdentity:
    """What this node shows to its peers; raises HomeInvalid for an unreadable certificate."""
    network = home.config.network
    try:
        certificate = (home.path / network.certificate).read_bytes()
        authority = (home.path / network.authority).read_bytes()
    except OSError as error:
        raise HomeInvalid(str(error.filename), error.strerror or "can not be read") from error
    return LocalIdentity(
        id=home.member.id,
        vote_key=home.vote_key,
        domain=home.genesis.domain(),
        certificate_pem=certificate,
        tls_key_pem=home.secrets.tls_key_pem,
        ca_pem=authority,
    )


def member_table(genesis: Genesis) -> list[Member]:
    """The members as the mesh knows them."""
    return [Member(m.id, m.node, (m.tls_pin,)) for m in genesis.members]
