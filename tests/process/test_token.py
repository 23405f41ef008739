"""One validator of four signs in a token (SoftHSM): blocks carry its votes, its loss is named."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from node.devnet.layout import DEVNET_EPOCH_SECONDS
from node.keys import write_private
from tests.process.support import ROOT, Alliance, Load, until
from tests.process.test_rotation import PATIENCE_S, Rotation

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(
        shutil.which("softhsm2-util") is None, reason="SoftHSM is not installed (make tools)"
    ),
]
PLACES = ("/usr/lib/softhsm", "/usr/lib/x86_64-linux-gnu/softhsm", "/usr/lib64/pkcs11")
PIN = "424242"
MAKE_KEYS = """
import sys
import pkcs11
from pkcs11 import Attribute, KeyType
from pkcs11.util.ec import encode_named_curve_parameters
from bulwark.ledger.signing import address_of_point

curve = {Attribute.EC_PARAMS: encode_named_curve_parameters("secp256k1")}
token = pkcs11.lib(sys.argv[1]).get_token(token_label="member")
with token.open(rw=True, user_pin=sys.argv[2]) as session:
    for label in ("vote", "account"):
        pair = session.create_domain_parameters(KeyType.EC, curve, local=True).generate_keypair(
            store=True,
            public_template={Attribute.LABEL: label},
            private_template={Attribute.LABEL: label},
        )
        print("0x" + address_of_point(bytes(pair[0][Attribute.EC_POINT])[2:]).hex())
"""


class Hsm:
    """A SoftHSM token with a vote and an account key that are nowhere else."""

    def __init__(self, folder: Path) -> None:
        self.tokens = folder / "tokens"
        self.tokens.mkdir(parents=True)
        self.module = next(Path(p) / "libsofthsm2.so" for p in PLACES if Path(p).exists())
        conf = folder / "softhsm2.conf"
        conf.write_text(f"directories.tokendir = {self.tokens}\n")
        self.environment = {"SOFTHSM2_CONF": str(conf)}
        every = {**os.environ, **self.environment}
        subprocess.run(
            ["softhsm2-util", "--init-token", "--free", "--label", "member", "--pin", PIN,
             "--so-pin", "12345678"],
            check=True, capture_output=True, env=every,
        )  # fmt: skip
        made = subprocess.run(
            [sys.executable, "-c", MAKE_KEYS, str(self.module), PIN],
            check=True, capture_output=True, text=True, env=every, cwd=ROOT,
        )  # fmt: skip
        self.vote, self.account = made.stdout.split()

    def configure(self, home: Path) -> None:
        """Tell a home of the token."""
        write_private(home / "keys" / "token.pin", PIN.encode() + b"\n")
        config = home / "node.toml"
        text = (
            f'\n[keystore.pkcs11]\nmodule = "{self.module}"\ntoken_label = "member"\n'
            'vote_key = "vote"\naccount_key = "account"\npin_file = "keys/token.pin"\n'
            "timeout_ms = 5000\n"  # the machine of a test may be busy
        )
        config.write_text(config.read_text() + text)
        tomllib.loads(config.read_text())

    def take_away(self) -> None:
        shutil.rmtree(self.tokens)
        self.tokens.mkdir()


@pytest.fixture
def hsm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hsm:
    pytest.importorskip("pkcs11", reason="the extra pkcs11 is not installed")
    made = Hsm(tmp_path / "hsm")
    for name, value in made.environment.items():
        monkeypatch.setenv(name, value)
    return made


@pytest.fixture
def alliance(tmp_path: Path, hsm: Hsm) -> Iterator[Alliance]:
    made = Alliance.create(tmp_path / "alliance", 4, 0, epoch_seconds=DEVNET_EPOCH_SECONDS)
    try:
        hsm.configure(made.node(made.validators[1]).home)
        made.start()
        yield made
    finally:
        made.close()


def test_a_validator_with_its_keys_in_a_token_certifies_blocks_and_names_the_tokens_loss(
    alliance: Alliance, hsm: Hsm
) -> None:
    name, other = alliance.validators[1], alliance.validators[0]
    rotation = Rotation(alliance, name)
    with Load(alliance, [name, other]) as load:
        until(lambda: len(load.acknowledged) > 5, "reports are executed")
        epoch = rotation.epoch()
        rotation.set_keys(node=hsm.vote, account=hsm.account)
        until(lambda: rotation.epoch() > epoch, "an epoch with the token's key", PATIENCE_S)
        seen = len(load.acknowledged)
        rotation.signs(hsm.vote)
        assert rotation.ledger()["account"] == hsm.account
        until(lambda: len(load.acknowledged) > seen + 10, "reports go on", PATIENCE_S)
    assert load.refused == []
    for record_id in load.acknowledged:
        until(lambda r=record_id: alliance.has_record(other, r), f"{record_id} is on the ledger")
    hsm.take_away()
    alliance.report(other, kind="email", value="after@scam-post.net")
    until(lambda: alliance.ended(name), "the node without its token ends", PATIENCE_S)
    halted = [line for line in alliance.log(name).splitlines() if "bulwark: halted: " in line]
    assert len(halted) == 1 and "keystore.pkcs11: key " in halted[0], halted
    alliance.report(other, kind="email", value="later@scam-post.net")
    start_is_refused_in_one_line(alliance, name, hsm)


def start_is_refused_in_one_line(alliance: Alliance, name: str, hsm: Hsm) -> None:
    words = ("-m", "node.cli.main", "node", "run", "--home", str(alliance.node(name).home))
    told = subprocess.run(
        [sys.executable, *words], cwd=ROOT, capture_output=True, text=True, timeout=120,
        env={**os.environ, **hsm.environment},
    )  # fmt: skip
    assert told.returncode == 1 and "Traceback" not in told.stderr
    (line,) = [each for each in told.stderr.splitlines() if each.startswith("bulwark:")]
    assert "keystore.pkcs11: token member: there is none with this label" in line
    assert PIN not in told.stderr + told.stdout
