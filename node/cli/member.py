"""`bulwark member`: what a new member does before the alliance votes it in.

Rules: keys are made on the new member's own machine and never leave it; the CA's operator issues
the certificate for the public key alone; the join request holds public values only.
"""

from __future__ import annotations

import base64
import os
import re
import time
from pathlib import Path
from typing import Final

import click

from api.auth import generate_api_keys
from bulwark.ledger.ids import MemberId
from bulwark.ledger.signing import SigningKey
from genesis.alliance import MAX_HOST_CHARS, MemberPlan, is_loopback
from genesis.errors import AllianceInvalid, FolderInUse, FolderUnusable
from genesis.home import GENESIS_FILE
from genesis.joining import (
    PUBLIC_KEY_FILE,
    Joining,
    join,
    join_request,
    load_peers,
    load_public_key,
)
from node.cli.faults import BadSetup, Failed, faults
from node.cli.files import read_whole
from node.cli.homes import open_config, open_secrets
from node.cli.options import emit_json, emit_pairs, home_option, json_option
from node.keys import ENVIRONMENT_NAME, KeystoreError
from node.pki import (
    CA_CERTIFICATE_FILE,
    CertificateAuthority,
    CertificateUnusable,
    PkiError,
    certificate_pem,
    issue,
    public_key_pin,
)

AUTHORITY_ENVIRONMENT: Final = "BULWARK_AUTHORITY_PASSPHRASE"
_MEMBER_ID: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,30}")
MAX_BYTES: Final = 8 * 1024 * 1024
_FILE: Final = click.Path(path_type=Path, dir_okay=False)
_FOLDER: Final = click.Path(path_type=Path, file_okay=False, resolve_path=True)


@click.group(name="member")
def command() -> None:
    """Prepare the node of a new member.

    \b
    Example:
      bulwark member new --id eastbank --host east.example --genesis genesis.json \\
        --peers peers.toml --ca ca.pem --home eastbank
      bulwark member join-request --home eastbank > join.json
    """


@command.command(name="new")
@click.option("--id", "member_id", required=True, help="The member's id, as eastbank.")
@click.option("--host", required=True, help="Host or address where the others reach its node.")
@click.option("--p2p-port", type=click.IntRange(1, 65_535), default=7000, show_default=True)
@click.option("--http-port", type=click.IntRange(1, 65_535), default=8000, show_default=True)
@click.option("--genesis", "document", required=True, type=_FILE, help="The alliance's document.")
@click.option("--peers", required=True, type=_FILE, help="TOML: [[peers]] with member, host, port.")
@click.option("--ca", type=_FILE, help="Certificate of the alliance's CA, PEM.")
@click.option("--authority", type=_FOLDER, help="Folder of the CA itself, where it is at hand.")
@click.option("--home", required=True, type=_FOLDER, help="New folder for the node.")
@click.option("--unattended", is_flag=True, help="Keep a random passphrase beside the keystore.")
@json_option
def new(
    member_id: str,
    host: str,
    p2p_port: int,
    http_port: int,
    document: Path,
    peers: Path,
    ca: Path | None,
    authority: Path | None,
    home: Path,
    unattended: bool,
    as_json: bool,
) -> None:
    """Make keys and the home folder of a member that is not in the alliance yet.

    The passphrase of the keystore comes from BULWARK_KEYSTORE_PASSPHRASE, that of the CA's key from
    BULWARK_AUTHORITY_PASSPHRASE or the file beside it.

    \b
    Example:
      bulwark member new --id eastbank --host east.example --genesis genesis.json \\
        --peers peers.toml --ca ca.pem --home eastbank
    """
    if (ca is None) == (authority is None):
        raise click.UsageError("name the CA: its certificate by --ca, or its folder by --authority")
    plan = _plan(member_id, host, p2p_port, http_port)
    with faults(
        setup=(AllianceInvalid, FolderInUse, PkiError, KeystoreError), failure=(FolderUnusable,)
    ):
        joining = Joining(
            plan=plan,
            genesis=read_whole(document, MAX_BYTES),
            peers=load_peers(peers),
            authority=read_whole(
                ca if ca is not None else _folder(authority) / CA_CERTIFICATE_FILE, MAX_BYTES
            ),
            ca=None if authority is None else _load_authority(authority),
            passphrase=_passphrase(unattended),
            unattended=unattended,
        )
        join(
            home,
            joining,
            random_bytes=os.urandom,
            now_ms=time.time_ns() // 1_000_000,
            new_api_keys=generate_api_keys,
        )
    facts = {"home": str(home), "member": member_id, "genesis": str(home / GENESIS_FILE)}
    if authority is None:
        facts["public_key"] = str(home / PUBLIC_KEY_FILE)
    facts["next"] = f"bulwark member join-request --home {home}"
    if as_json:
        emit_json(facts)
    else:
        emit_pairs([(name.replace("_", " "), value) for name, value in facts.items()])


def _plan(member_id: str, host: str, p2p_port: int, http_port: int) -> MemberPlan:
    if _MEMBER_ID.fullmatch(member_id) is None:
        raise click.UsageError("--id: a small letter or digit, then up to 30 of these and '-'")
    if not 0 < len(host) <= MAX_HOST_CHARS:
        raise click.UsageError(f"--host has 1 to {MAX_HOST_CHARS} characters")
    everywhere = "::" if ":" in host else "0.0.0.0"
    return MemberPlan(
        id=MemberId(member_id),
        name=member_id,
        roles=(),
        host=host,
        p2p_port=p2p_port,
        http_port=http_port,
        listen_host=host if is_loopback(host) else everywhere,
    )


@command.command(name="certificate")
@click.option("--authority", required=True, type=_FOLDER, help="Folder of the CA.")
@click.option("--id", "member_id", required=True, help="Id of the member that it is for.")
@click.argument("public_key", type=_FILE)
def certificate(authority: Path, member_id: str, public_key: Path) -> None:
    """Issue a node's certificate for its public key, or the key of a certificate; prints PEM.

    \b
    Example:
      bulwark member certificate --authority alliance/authority --id eastbank public-key.pem \\
        > node.pem
    """
    with faults(setup=(AllianceInvalid, CertificateUnusable, PkiError, KeystoreError)):
        key = load_public_key(read_whole(public_key, MAX_BYTES), str(public_key))
        made = issue(
            _load_authority(authority),
            MemberId(member_id),
            key,
            now_ms=time.time_ns() // 1_000_000,
            random_bytes=os.urandom,
        )
    click.echo(certificate_pem(made).decode("ascii"), nl=False)


@command.command(name="join-request")
@home_option
@click.option(
    "--role",
    "roles",
    multiple=True,
    type=click.Choice(["validator", "reporter", "regulator", "deployer"]),
    default=("validator", "reporter"),
    show_default=True,
    help="Roles to ask for; repeatable.",
)
@click.option("--host", help="Where the others reach the node, for their configuration.")
def join_request_command(home: Path, roles: tuple[str, ...], host: str | None) -> None:
    """Print the file with which a member proposes this one: public keys and where its node is.

    \b
    Example:
      bulwark member join-request --home eastbank --host east.example > join.json
    """
    config = open_config(home)
    secrets = open_secrets(home, config)
    keys = {
        "node": f"0x{SigningKey(secrets.vote_key).address.hex()}",
        "account": f"0x{SigningKey(secrets.account_key).address.hex()}",
        "tls_pin": public_key_pin(secrets.tls_public_key()).hex(),
    }
    address = (host or config.network.listen_host, config.network.listen_port)
    request = join_request(config.member, list(dict.fromkeys(roles)), keys, address)
    click.echo(request.decode("ascii"), nl=False)


def _passphrase(unattended: bool) -> bytes:
    given = os.environ.get(ENVIRONMENT_NAME)
    if given:
        return given.encode("utf-8")
    if not unattended:
        raise BadSetup(f"set {ENVIRONMENT_NAME}, or give --unattended")
    return base64.urlsafe_b64encode(os.urandom(24))


def _folder(authority: Path | None) -> Path:
    if authority is None:
        raise Failed("no folder of the CA was named")
    return authority


def _load_authority(folder: Path) -> CertificateAuthority:
    given = os.environ.get(AUTHORITY_ENVIRONMENT)
    passphrase = (
        given.encode("utf-8") if given else read_whole(folder / "passphrase", MAX_BYTES).strip()
    )
    try:
        return CertificateAuthority.load(folder, passphrase)
    except OSError as error:
        raise BadSetup(f"{folder}: {error.strerror}") from error
