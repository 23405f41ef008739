"""The home of a member that joins a running alliance: keys and configuration, not in genesis.

Rules: everything secret is made here and stays here; the certificate comes from the alliance's CA,
at once where its folder is at hand, else later for the public key that is written out; who else is
in the alliance comes from a file of peers. It asks no node and changes no ledger: the members vote.
"""

from __future__ import annotations

import json
import shutil
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from bulwark.ledger import jsonfields as jf
from bulwark.ledger.errors import GenesisInvalid
from bulwark.ledger.genesis import Genesis
from bulwark.ledger.genesismember import MAX_MEMBERS
from bulwark.ledger.ids import MemberId
from genesis.alliance import MAX_FILE_BYTES, MemberPlan
from genesis.errors import AllianceInvalid, FolderInUse, FolderUnusable
from genesis.home import HomeContent, write_home
from node.keys import KeystoreError, NodeSecrets, RandomBytes
from node.pki import CertificateAuthority, certificate_pem, issue

PUBLIC_KEY_FILE: Final = "tls/public-key.pem"
"""What the CA needs to issue the certificate."""
NewApiKeys = Callable[[RandomBytes], tuple[dict[str, str], dict[str, list[dict[str, str]]]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Joining:
    """What a joining member's home is made of."""

    plan: MemberPlan
    genesis: bytes
    peers: tuple[MemberPlan, ...]
    authority: bytes
    """The CA's certificate, PEM."""
    ca: CertificateAuthority | None = field(repr=False)
    """The CA itself, where it is at hand."""
    passphrase: bytes = field(repr=False)
    unattended: bool


def join(
    home: Path,
    joining: Joining,
    *,
    random_bytes: RandomBytes,
    now_ms: int,
    new_api_keys: NewApiKeys,
) -> NodeSecrets:
    """Create the home, which must not exist; its keys.

    Raises AllianceInvalid, FolderInUse, FolderUnusable.
    """
    plan = joining.plan
    try:
        genesis = Genesis.from_json(joining.genesis)
    except GenesisInvalid as error:
        raise AllianceInvalid("genesis.json", error.field, error.detail) from error
    if genesis.member(plan.id) is not None:
        raise AllianceInvalid("genesis.json", "members", f"{plan.id} is a member since genesis")
    if home.exists():
        raise FolderInUse(home, "exists")
    secrets = NodeSecrets.generate(random_bytes)
    public_key = secrets.tls_public_key()
    certificate = None
    if joining.ca is not None:
        made = issue(joining.ca, plan.id, public_key, now_ms=now_ms, random_bytes=random_bytes)
        certificate = certificate_pem(made)
    clear, hashed = new_api_keys(random_bytes)
    content = HomeContent(
        plan=plan,
        secrets=secrets,
        passphrase=joining.passphrase,
        unattended=joining.unattended,
        genesis=joining.genesis,
        certificate=certificate,
        authority=joining.authority,
        clear_api_keys=clear,
        hashed_api_keys=hashed,
    )
    try:
        home.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_home(home, content, joining.peers, random_bytes)
        (home / PUBLIC_KEY_FILE).write_bytes(public_key_pem(public_key))
    except (OSError, KeystoreError) as error:
        shutil.rmtree(home, ignore_errors=True)
        raise FolderUnusable(home, f"can not be written ({error})") from error
    return secrets


def public_key_pem(key: ec.EllipticCurvePublicKey) -> bytes:
    """PEM of a public key."""
    return key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def load_public_key(pem: bytes, source: str) -> ec.EllipticCurvePublicKey:
    """Inverse of public_key_pem, or the key of a certificate; `source` names it in errors.

    Raises AllianceInvalid.
    """
    key: object
    try:
        if b"BEGIN CERTIFICATE" in pem:
            key = x509.load_pem_x509_certificate(pem).public_key()
        else:
            key = serialization.load_pem_public_key(pem)
    except ValueError as error:
        raise AllianceInvalid(source, "", "is no public key or certificate in PEM") from error
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise AllianceInvalid(source, "", "is no elliptic curve key")
    return key


def load_peers(path: Path) -> tuple[MemberPlan, ...]:
    """The members of a TOML file with [[peers]]: member, host, port. Raises AllianceInvalid."""
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_FILE_BYTES + 1)
        if len(data) > MAX_FILE_BYTES:
            raise AllianceInvalid(str(path), "", f"more than {MAX_FILE_BYTES} bytes")
        document = tomllib.loads(data.decode("utf-8"))
        return jf.items(document.get("peers"), "peers", MAX_MEMBERS, _read_peer)
    except OSError as error:
        raise AllianceInvalid(str(path), "", error.strerror or "can not be read") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise AllianceInvalid(str(path), "", f"no TOML: {error}") from error
    except jf.FieldInvalid as error:
        raise AllianceInvalid(str(path), error.path, error.detail) from error


def _read_peer(value: object, path: str) -> MemberPlan:
    entry = jf.mapping(value, path)
    if set(entry) != {"member", "host", "port"}:
        raise jf.FieldInvalid(path, "wants exactly member, host and port")
    port = jf.integer(entry["port"], f"{path}.port")
    if not 1 <= port <= 65_535:
        raise jf.FieldInvalid(f"{path}.port", f"{port} given, 1..65535 allowed")
    name = MemberId(jf.text(entry["member"], f"{path}.member", 31))
    return MemberPlan(
        id=name,
        name=name,
        roles=(),
        host=jf.text(entry["host"], f"{path}.host", 253),
        p2p_port=port,
        http_port=0,
        listen_host="",
    )


def join_request(
    plan_id: str, roles: list[str], keys: dict[str, str], address: tuple[str, int]
) -> bytes:
    """The file that a member proposes: who joins, with which keys, where its node listens."""
    host, port = address
    document = {"id": plan_id, **keys, "roles": roles, "host": host, "port": port}
    return json.dumps(document, indent=1).encode("ascii") + b"\n"
