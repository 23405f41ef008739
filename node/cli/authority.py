"""`bulwark authority`: a new certificate authority of the alliance, and which ones a node trusts.

Rules: a node may trust an old and a new authority side by side, so that no member is cut off while
certificates are issued anew; a file is replaced whole or not at all; a running node takes it over
by `bulwark node reload`. The authority that issued the node's own certificate is never forgotten,
and none by whose certificate another member's node is still known, unless that is said.
"""

from __future__ import annotations

import base64
import os
import time
from pathlib import Path
from typing import Final

import click
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from node.cli.faults import BadSetup, faults
from node.cli.files import read_whole
from node.cli.homes import open_config
from node.cli.member import AUTHORITY_ENVIRONMENT
from node.cli.options import emit_json, emit_pairs, emit_rows, home_option, json_option
from node.cli.shown import Shown, shown_by
from node.config import NodeConfig
from node.keys import KeystoreError, write_private
from node.pki import (
    CA_CERTIFICATE_FILE,
    MAX_PEM_BYTES,
    CertificateUnusable,
    certificate_pem,
    create_ca,
    days_left,
    is_authority,
    issued_by,
    load_certificate,
    load_certificates,
)

MAX_TRUSTED: Final = 4
"""Authorities at a time: the old and the new one while they change, and some slack."""
PASSPHRASE_FILE: Final = "passphrase"  # noqa: S105  # the name of a file
_FOLDER: Final = click.Path(path_type=Path, file_okay=False)
_FILE: Final = click.Path(path_type=Path, dir_okay=False)


@click.group(name="authority")
def command() -> None:
    """Make an authority of the alliance anew; say which ones a node trusts.

    \b
    Example:
      bulwark authority new --alliance "Example" --out alliance/authority-2 --unattended
      bulwark authority trust alliance/authority-2/ca.pem --home alliance/northbank
      bulwark authority list --home alliance/northbank
      bulwark authority peers --home alliance/northbank
      bulwark authority forget --home alliance/northbank
    """


@command.command(name="new")
@click.option("--alliance", required=True, help="Name of the alliance, 1 to 64 characters.")
@click.option("--out", required=True, type=_FOLDER, help="New folder for the CA, kept offline.")
@click.option("--unattended", is_flag=True, help="Keep a random passphrase beside the key.")
@json_option
def new(alliance: str, out: Path, unattended: bool, as_json: bool) -> None:
    """Make a certificate authority: its certificate and its encrypted key.

    The passphrase of the key comes from BULWARK_AUTHORITY_PASSPHRASE.

    \b
    Example:
      bulwark authority new --alliance "Example" --out alliance/authority-2 --unattended
    """
    given = os.environ.get(AUTHORITY_ENVIRONMENT, "").encode("utf-8")
    if not given and not unattended:
        raise BadSetup(f"set {AUTHORITY_ENVIRONMENT}, or give --unattended")
    passphrase = given or base64.urlsafe_b64encode(os.urandom(24))
    with faults(setup=(CertificateUnusable,), failure=(KeystoreError, OSError)):
        made = create_ca(alliance, now_ms=_now_ms())
        try:
            out.mkdir(mode=0o700)
        except FileExistsError as error:
            raise BadSetup(f"{out}: there is a folder already") from error
        made.save(out, passphrase)
        if unattended:
            write_private(out / PASSPHRASE_FILE, passphrase + b"\n")
    follows = f"every member: bulwark authority trust {out / CA_CERTIFICATE_FILE} --home HOME"
    _tell({"certificate": str(out / CA_CERTIFICATE_FILE), **_facts(made.certificate),
           "next": follows}, as_json)  # fmt: skip


@command.command(name="list")
@home_option
@json_option
def show(home: Path, as_json: bool) -> None:
    """Show the authorities that a node trusts, and which one issued its certificate.

    \b
    Example:
      bulwark authority list --home alliance/northbank
    """
    config = open_config(home)
    own = _own(home, config)
    rows = [{**_facts(each), "issued_own": issued_by(own, each)} for each in _trusted(home, config)]
    if as_json:
        emit_json({"authorities": rows})
        return
    table = [("FINGERPRINT", "NAME", "DAYS LEFT", "ISSUED OWN")]
    for row in rows:
        issued = "yes" if row["issued_own"] else "no"
        table.append((str(row["fingerprint"]), str(row["name"]), str(row["days_left"]), issued))
    emit_rows(table)


@command.command(name="trust")
@click.argument("file", type=_FILE)
@home_option
@json_option
def trust(file: Path, home: Path, as_json: bool) -> None:
    """Trust an authority's certificate beside those that the node trusts already.

    \b
    Example:
      bulwark authority trust alliance/authority-2/ca.pem --home alliance/northbank
    """
    config = open_config(home)
    with faults(setup=(CertificateUnusable,)):
        coming = load_certificate(read_whole(file, MAX_PEM_BYTES))
    if not is_authority(coming):
        raise BadSetup(f"{file}: is not the certificate of an authority")
    if days_left(coming, _now_ms()) <= 0:
        raise BadSetup(f"{file}: ended already")
    trusted = _trusted(home, config)
    follows = (
        f"bulwark node reload --home {home}; when every member did so, a certificate of the new "
        "authority for each: bulwark key rotate tls --certificate FILE"
    )
    if coming in trusted:
        _tell({"step": "none: it is trusted already", **_facts(coming), "next": follows}, as_json)
        return
    if len(trusted) == MAX_TRUSTED:
        raise BadSetup(f"{MAX_TRUSTED} are trusted, which is the most: forget the former ones")
    _write(home, config, [*trusted, coming])
    _tell({"step": "it is trusted too", **_facts(coming), "next": follows}, as_json)


@command.command(name="peers")
@home_option
@json_option
def peers(home: Path, as_json: bool) -> None:
    """Ask the other members' nodes which certificates they show now, and who issued them.

    Each of them notes one connection that showed no certificate.

    \b
    Example:
      bulwark authority peers --home alliance/northbank
    """
    config = open_config(home)
    found = shown_by(config.network.peers, _trusted(home, config))
    if as_json:
        emit_json({"peers": [_shown(each) for each in found]})
        return
    table = [("MEMBER", "ADDRESS", "FINGERPRINT OF ITS AUTHORITY", "DAYS LEFT", "NOTE")]
    for each in found:
        row = {name: str(value or "-") for name, value in _shown(each).items()}
        table.append(
            (each.member, each.address, row["authority"], row["days_left"], each.detail or "well")
        )
    emit_rows(table)


@command.command(name="forget")
@click.option("--give-up", is_flag=True, help="Forget the newest one: the change does not happen.")
@click.option("--cut-off", is_flag=True, help="Forget though another member's node needs it.")
@home_option
@json_option
def forget(give_up: bool, cut_off: bool, home: Path, as_json: bool) -> None:
    """Trust only the authority that issued the node's own certificate from now on.

    The other members' nodes are asked first which certificates they show: who needs one that would
    be forgotten could not connect again.

    \b
    Example:
      bulwark authority forget --home alliance/northbank
    """
    config = open_config(home)
    own, trusted = _own(home, config), _trusted(home, config)
    kept = [each for each in trusted if issued_by(own, each)]
    if not kept:
        raise BadSetup(f"{config.network.certificate}: no trusted authority issued it")
    if trusted[-1] not in kept and not give_up:
        raise BadSetup(
            "the newest authority did not issue this node's certificate yet: bulwark key rotate "
            "tls --certificate FILE comes first, or --give-up forgets the newest"
        )
    gone = [each for each in trusted if each not in kept]
    silent = _silent(config, trusted, gone, cut_off) if gone else []
    if gone:
        _write(home, config, kept)
    step = "the former ones are forgotten" if gone else "none: no other is trusted"
    _tell({"step": step, "forgotten": " ".join(_facts(each)["fingerprint"] for each in gone),
           "did_not_answer": " ".join(silent), "next": f"bulwark node reload --home {home}"},
          as_json)  # fmt: skip


def _silent(
    config: NodeConfig,
    trusted: list[x509.Certificate],
    gone: list[x509.Certificate],
    cut_off: bool,
) -> list[str]:
    """Who did not answer; BadSetup when somebody shows a certificate of what shall go."""
    found = shown_by(config.network.peers, trusted)
    needing = [each.member for each in found if each.issuer in gone]
    if needing and not cut_off:
        raise BadSetup(
            f"{', '.join(needing)}: still shows a certificate of an authority that would be "
            "forgotten (bulwark authority peers); wait for it, or --cut-off forgets it all the same"
        )
    return [each.member for each in found if each.certificate is None]


def _shown(found: Shown) -> dict[str, str | int | None]:
    """One row of `peers`, by the name of its column."""
    facts = None if found.certificate is None else _facts(found.certificate)
    return {
        "member": found.member,
        "address": found.address,
        "authority": None if found.issuer is None else _facts(found.issuer)["fingerprint"],
        "certificate": None if facts is None else facts["fingerprint"],
        "days_left": None if facts is None else int(facts["days_left"]),
        "note": found.detail,
    }


def _trusted(home: Path, config: NodeConfig) -> list[x509.Certificate]:
    with faults(setup=(CertificateUnusable,)):
        return load_certificates(read_whole(home / config.network.authority, MAX_PEM_BYTES))


def _own(home: Path, config: NodeConfig) -> x509.Certificate:
    with faults(setup=(CertificateUnusable,)):
        return load_certificate(read_whole(home / config.network.certificate, MAX_PEM_BYTES))


def _write(home: Path, config: NodeConfig, trusted: list[x509.Certificate]) -> None:
    pem = b"".join(certificate_pem(each) for each in trusted)
    with faults(failure=(KeystoreError,)):
        write_private(home / config.network.authority, pem, overwrite=True)


def _facts(certificate: x509.Certificate) -> dict[str, str]:
    return {
        "name": certificate.subject.rfc4514_string(),
        "fingerprint": certificate.fingerprint(hashes.SHA256()).hex(),
        "days_left": str(int(days_left(certificate, _now_ms()))),
    }


def _tell(facts: dict[str, str], as_json: bool) -> None:
    if as_json:
        emit_json(facts)
    else:
        emit_pairs([(name.replace("_", " "), value) for name, value in facts.items()])


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
