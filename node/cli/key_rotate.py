"""`bulwark key rotate`: the next step of replacing one of a node's own keys or certificates.

Rules: each call does one step and says what comes next; a step that was cut off is done again by
the same call. A new key lies beside the old one until the ledger names it; the old one is kept
until the operator drops it. With --dry-run nothing is written. Nothing secret is printed.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Final

import click
from cryptography.hazmat.primitives import serialization

from node.cli.faults import BadSetup, Failed, faults
from node.cli.homes import open_config, open_genesis
from node.cli.key_facts import LedgerKeys, ledger_keys, public_text
from node.cli.options import emit_json, emit_pairs, home_option, json_option
from node.config import NodeConfig
from node.keys import KeystoreError, PassphraseMissing, write_private
from node.pki import (
    CertificateUnusable,
    dns_names,
    issued_by,
    load_certificate,
    load_certificates,
    spki_pin,
    tls_public_key,
)
from node.rotation.keyfile import (
    NEW_ENVIRONMENT_NAME,
    OpenKeystore,
    PassphraseUnfit,
    change_passphrase,
    changing,
    next_passphrase_file,
    open_keystore,
)
from node.rotation.secretsmoves import (
    MoveRefused,
    former_keys,
    in_use,
    key_to_come,
    with_new,
    with_next_in_use,
    without_former,
    without_next,
)
from node.sparekeys import LINES, KeyKind

PUBLIC_KEY_FILE: Final = "tls-next.pub.pem"
PASSPHRASE: Final = "passphrase"  # noqa: S105  # a word of the command line
LEAST_KEPT_MS: Final = 600_000
"""How long a former key is kept at least: an epoch that names it may still run."""
_FILE: Final = click.Path(path_type=Path, dir_okay=False)
_RELOAD: Final = "bulwark node reload --home {home}"


@click.command(name="rotate")
@click.argument("kind", type=click.Choice([*(kind.value for kind in KeyKind), PASSPHRASE]))
@home_option
@click.option("--dry-run", is_flag=True, help="Say what would be done and write nothing.")
@click.option("--certificate", type=_FILE, help="tls: the certificate issued for the key to come.")
@click.option("--offline", is_flag=True, help="Do not ask the node what the ledger knows.")
@click.option("--give-up", is_flag=True, help="Forget the key to come.")
@click.option("--drop-former", is_flag=True, help="Forget the former keys of this kind.")
@json_option
def rotate(
    kind: str,
    home: Path,
    dry_run: bool,
    certificate: Path | None,
    offline: bool,
    give_up: bool,
    drop_former: bool,
    as_json: bool,
) -> None:
    """Do the next step of replacing a key; say what must follow (docs/keys.md).

    A passphrase that comes from the environment is replaced by the one in
    BULWARK_KEYSTORE_NEW_PASSPHRASE; one in a file by that, or by a random one.

    \b
    Example:
      bulwark key rotate vote --home alliance/northbank --dry-run
      bulwark key rotate vote --home alliance/northbank
    """
    if certificate is not None and kind != KeyKind.TLS:
        raise click.UsageError("--certificate goes with tls")
    if give_up and drop_former:
        raise click.UsageError("--give-up and --drop-former do not go together")
    config = open_config(home)
    with (
        faults(
            setup=(KeystoreError, PassphraseMissing, PassphraseUnfit, CertificateUnusable),
            failure=(MoveRefused,),
        ),
        changing(home, config.keystore),
    ):
        opened = open_keystore(home, config.keystore, os.environ)
        if kind == PASSPHRASE:
            if give_up or drop_former:
                raise click.UsageError("the passphrase has no key to come and no former one")
            report = _passphrase(opened, home, dry_run)
        else:
            work = _Work(home, config, opened, KeyKind(kind), dry_run, offline)
            report = work.forget(give_up) if give_up or drop_former else work.step(certificate)
    if as_json:
        emit_json({"dry_run": dry_run, **report})
    else:
        emit_pairs([("dry run", "yes, nothing was written")] * dry_run + [*report.items()])


def _passphrase(opened: OpenKeystore, home: Path, dry_run: bool) -> dict[str, str]:
    given = os.environ.get(NEW_ENVIRONMENT_NAME)
    new = os.fsencode(given) if given else None
    if opened.file is None:
        follows = "start the node with the new passphrase from now on; until then it runs on"
        if new is None:
            raise PassphraseUnfit(f"the new passphrase is missing; set {NEW_ENVIRONMENT_NAME}")
    else:
        follows = "nothing; the node reads the file when it needs it"
        if next_passphrase_file(opened.file).exists():
            follows = f"{follows} (this finishes a change that was cut off)"
    if not dry_run:
        change_passphrase(opened, new)
    where = "the environment" if opened.file is None else str(opened.file)
    return {"step": "the keystore is encrypted anew", "passphrase": where, "next": follows}


class _Work:
    """One step of one key."""

    def __init__(
        self,
        home: Path,
        config: NodeConfig,
        opened: OpenKeystore,
        kind: KeyKind,
        dry_run: bool,
        offline: bool,
    ) -> None:
        self._home, self._config, self._opened = home, config, opened
        self._kind, self._dry_run, self._offline = kind, dry_run, offline
        self._now_ms = time.time_ns() // 1_000_000
        self._reload = _RELOAD.format(home=home)

    def forget(self, give_up: bool) -> dict[str, str]:
        """Forget the key to come, or the former ones that nothing names any more."""
        secrets, kind = self._opened.secrets, self._kind
        if kind in LINES:
            raise MoveRefused(
                f"no {kind} key is forgotten: names follow all of them (docs/keys.md)"
            )
        if give_up:
            changed, what = without_next(secrets, kind), "the key to come is forgotten"
        else:
            changed, what = without_former(secrets, kind), "the former keys are forgotten"
        leaving = (
            [spare.secret for spare in former_keys(secrets, kind)]
            if not give_up
            else [coming.secret for coming in (key_to_come(secrets, kind),) if coming]
        )
        known = self._ledger()
        if not give_up:
            self._check_age()
        for secret in leaving:
            if known is not None and known.names(kind, public_text(kind, secret)):
                raise Failed(f"the ledger names {public_text(kind, secret)} still: it is kept")
        if kind is KeyKind.TLS:
            self._check_certificate_stays(leaving)
        if not self._dry_run:
            self._opened.save(changed)
        return {"step": what, "next": self._reload}

    def _check_age(self) -> None:
        """A former key may be what a running epoch, ceremony or question names still."""
        kept_ms = LEAST_KEPT_MS
        if self._kind in (KeyKind.RING, KeyKind.SEALING):
            genesis = open_genesis(self._home, self._config)
            kept_ms = max(kept_ms, 2 * genesis.privacy.epoch_seconds * 1000)
        latest = max(s.since_ms for s in former_keys(self._opened.secrets, self._kind))
        left_s = (latest + kept_ms - self._now_ms) // 1000
        if left_s > 0 and not self._offline:
            raise Failed(f"a former {self._kind} key is kept for another {left_s} s (docs/keys.md)")

    def _check_certificate_stays(self, leaving: list[bytes]) -> None:
        path = self._home / self._config.network.certificate
        pin = spki_pin(load_certificate(path.read_bytes())).hex()
        if any(public_text(KeyKind.TLS, pem) == pin for pem in leaving):
            raise Failed(f"{path} is of this key: install the other certificate first")

    def step(self, certificate: Path | None) -> dict[str, str]:
        """The step that is next."""
        if self._kind in LINES:
            return self._replace()
        coming = key_to_come(self._opened.secrets, self._kind)
        if coming is None and certificate is None:
            return self._begin()
        if self._kind is KeyKind.TLS:
            return self._install(certificate)
        if coming is None:
            raise MoveRefused(f"there is no {self._kind} key to come")
        public = public_text(self._kind, coming.secret)
        known = self._ledger()
        if known is None:
            raise Failed("only the ledger says when the key to come is in use: leave out --offline")
        if not known.names(self._kind, public):
            return {"step": "none: the ledger does not name the key to come yet", "key": public,
                    "next": self._vote(public)}  # fmt: skip
        if not self._dry_run:
            self._opened.save(with_next_in_use(self._opened.secrets, self._kind, self._now_ms))
        return {
            "step": "the key to come is called the one in use",
            "key": public,
            "next": f"{self._reload}, and after the next epoch (ring, sealing: refresh of shares) "
            f"bulwark key rotate {self._kind} --drop-former --home {self._home}",
        }

    def _replace(self) -> dict[str, str]:
        """Put a fresh key in the place of the one in use: nobody else has to know it."""
        made = with_new(self._opened.secrets, self._kind, self._now_ms)
        changed = with_next_in_use(made, self._kind, self._now_ms)
        report = {"step": "a new key is in use, the old one is kept"}
        if not self._dry_run:
            self._opened.save(changed)
            report["key"] = public_text(self._kind, in_use(changed, self._kind))
        follows = "restart the node when it suits: it brings what is stored to the new key first"
        return {**report, "next": f"{follows}; bulwark key status --home {self._home} says how far"}

    def _begin(self) -> dict[str, str]:
        """Make the key to come, beside the one in use."""
        changed = with_new(self._opened.secrets, self._kind, self._now_ms)
        coming = key_to_come(changed, self._kind)
        if coming is None:
            raise Failed("no key was made")
        public = public_text(self._kind, coming.secret)
        if self._dry_run:
            return {"step": "a new key is made beside the old one", "next": self._vote("KEY")}
        self._opened.save(changed)
        report = {"step": "a new key is made beside the old one", "key": public}
        if self._kind is KeyKind.TLS:
            report["public_key"] = str(self._write_public_key(coming.secret))
        return {**report, "next": self._vote(public)}

    def _write_public_key(self, pem: bytes) -> Path:
        path = self._opened.path.parent / PUBLIC_KEY_FILE
        public = tls_public_key(pem).public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        write_private(path, public, overwrite=True)
        return path

    def _vote(self, public: str) -> str:
        """What the alliance and the node must do before the key can be used."""
        propose = f"bulwark governance propose {{}} --home {self._home}"
        member = self._config.member
        match self._kind:
            case KeyKind.VOTE:
                ask = propose.format(f"set-keys {member} --vote-key {public}")
            case KeyKind.ACCOUNT:
                ask = propose.format(f"set-keys {member} --account {public}")
            case KeyKind.TLS:
                ask = propose.format(f"set-tls-pin {member} --next {public}")
                return (
                    f"{ask}; then bulwark member certificate for {PUBLIC_KEY_FILE}, and "
                    f"bulwark key rotate tls --certificate FILE --home {self._home}"
                )
            case _:
                return f"{self._reload}; it is registered then, in force from the next quota epoch"
        return f"{self._reload} first, so that the node has the key; then {ask}"

    def _install(self, file: Path | None) -> dict[str, str]:
        """Take a certificate of the key to come into use; its file decides which key is shown."""
        secrets = self._opened.secrets
        coming = key_to_come(secrets, KeyKind.TLS)
        target = self._home / self._config.network.certificate
        if file is None:
            pin = "" if coming is None else public_text(KeyKind.TLS, coming.secret)
            return {"step": "none: the certificate for the key to come is missing", "key": pin,
                    "next": self._vote(pin)}  # fmt: skip
        pem = self._checked_certificate(file)
        pin = spki_pin(load_certificate(pem)).hex()
        is_renewal = pin == public_text(KeyKind.TLS, in_use(secrets, KeyKind.TLS))
        if not is_renewal and (coming is None or public_text(KeyKind.TLS, coming.secret) != pin):
            raise BadSetup(f"{file}: is of a key that is neither in use nor to come")
        known = self._ledger()
        if not is_renewal and known is not None and not known.names(KeyKind.TLS, pin):
            raise Failed(f"the ledger does not have the pin {pin} yet: {self._vote(pin)}")
        if not self._dry_run:
            # First the keystore, which has both keys, then the file that chooses between them.
            if not is_renewal:
                self._opened.save(with_next_in_use(secrets, KeyKind.TLS, self._now_ms))
            write_private(target, pem, overwrite=True)
        member = self._config.member
        drop = (
            f", then bulwark governance propose set-tls-pin {member} --pin {pin} --next none, and "
            f"bulwark key rotate tls --drop-former --home {self._home}"
        )
        return {"step": f"the certificate is installed as {target}", "key": pin,
                "next": self._reload + ("" if is_renewal else drop)}  # fmt: skip

    def _checked_certificate(self, file: Path) -> bytes:
        try:
            with file.open("rb") as stream:
                pem = stream.read(64 * 1024)
            authority = (self._home / self._config.network.authority).read_bytes()
        except OSError as error:
            raise BadSetup(f"{error.filename}: {error.strerror}") from error
        found = load_certificate(pem)
        if dns_names(found) != [self._config.member]:
            raise BadSetup(f"{file}: is not of {self._config.member} but of {dns_names(found)}")
        if not any(issued_by(found, each) for each in load_certificates(authority)):
            raise BadSetup(f"{file}: is not issued by an authority that this node trusts")
        if found.not_valid_after_utc.timestamp() * 1000 <= self._now_ms:
            raise BadSetup(f"{file}: ended already")
        return pem

    def _ledger(self) -> LedgerKeys | None:
        return None if self._offline else ledger_keys(self._home, self._config.member)
