"""Keys inside a token (SoftHSM) sign as keys in memory do, and its troubles are called by name."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from bulwark.ledger.hashing import keccak256
from bulwark.ledger.signing import SigningKey, recover, verify
from node.keys import KeystoreError, NodeSecrets, write_private
from node.sections import KeystoreConfig, Pkcs11Config
from node.tokens.pkcs11token import PIN_ENVIRONMENT_NAME, Token, TokenError, TokenSigner
from node.tokens.wiring import keys_at_work

PLACES = ("/usr/lib/softhsm", "/usr/lib/x86_64-linux-gnu/softhsm", "/usr/lib64/pkcs11")
MODULE = next((Path(p) / "libsofthsm2.so" for p in PLACES if Path(p).exists()), None)
pkcs11 = pytest.importorskip("pkcs11", reason="the extra pkcs11 is not installed")
pytestmark = pytest.mark.skipif(MODULE is None, reason="SoftHSM is not installed (make tools)")

PIN = "123456"
DIGEST = keccak256(b"a message")


@pytest.fixture(scope="module")
def module(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """SoftHSM with one token that has the keys vote, account, a P-256 key and a mixed-up pair.

    The library reads its configuration once a process, so there is one token folder a module.
    """
    assert MODULE is not None
    folder = tmp_path_factory.mktemp("softhsm")
    (folder / "tokens").mkdir()
    (folder / "softhsm2.conf").write_text(f"directories.tokendir = {folder / 'tokens'}\n")
    before = os.environ.get("SOFTHSM2_CONF")
    os.environ["SOFTHSM2_CONF"] = str(folder / "softhsm2.conf")
    subprocess.run(
        ["softhsm2-util", "--init-token", "--free", "--label", "member", "--pin", PIN, "--so-pin",
         "12345678"],
        check=True, capture_output=True,
    )  # fmt: skip
    token = pkcs11.lib(str(MODULE)).get_token(token_label="member")
    with token.open(rw=True, user_pin=PIN) as session:
        for label, curve in (
            ("vote", "secp256k1"),
            ("account", "secp256k1"),
            ("p256", "secp256r1"),
        ):
            make_pair(session, curve, label, label)
        make_pair(session, "secp256k1", "mixed", "other")
        make_pair(session, "secp256k1", "another", "mixed")
    yield MODULE
    if before is None:
        del os.environ["SOFTHSM2_CONF"]
    else:
        os.environ["SOFTHSM2_CONF"] = before


def make_pair(session: object, curve: str, public: str, private: str) -> None:
    from pkcs11 import Attribute, KeyType
    from pkcs11.util.ec import encode_named_curve_parameters

    parameters = session.create_domain_parameters(  # type: ignore[attr-defined]
        KeyType.EC, {Attribute.EC_PARAMS: encode_named_curve_parameters(curve)}, local=True
    )
    parameters.generate_keypair(
        store=True,
        public_template={Attribute.LABEL: public},
        private_template={Attribute.LABEL: private},
    )


def settings(library: Path, **changes: object) -> Pkcs11Config:
    given = {"module": library, "token_label": "member", "timeout_ms": 5_000, **changes}
    return Pkcs11Config.model_validate(given)


@pytest.fixture
def token(module: Path, tmp_path: Path) -> Iterator[Token]:
    opened = Token(settings(module), tmp_path, {PIN_ENVIRONMENT_NAME: PIN})
    yield opened
    opened.close()


def test_a_key_in_the_token_signs_what_everybody_can_check(token: Token) -> None:
    signer = TokenSigner(token, "vote")
    assert signer.address != TokenSigner(token, "account").address
    for number in range(40):  # both parities, high and low s of the token
        digest = keccak256(number.to_bytes(4, "big"))
        signature = signer.sign(digest)
        verify(signer.address, digest, signature)
        assert recover(digest, signature) == signer.address
    assert 0 < token.slowest_ms < 5_000


def test_a_lost_session_is_opened_again_and_nobody_notices(token: Token) -> None:
    signer = TokenSigner(token, "vote")
    token.call("test", lambda: token._session.close())
    verify(signer.address, DIGEST, signer.sign(DIGEST))
    assert token.reopened == 1


def test_a_missing_key_another_curve_and_a_mixed_up_pair_are_named(token: Token) -> None:
    with pytest.raises(TokenError, match="key nowhere: the token has no public EC key"):
        TokenSigner(token, "nowhere")
    with pytest.raises(TokenError, match="key p256: is not on secp256k1"):
        TokenSigner(token, "p256")
    with pytest.raises(TokenError, match="key mixed: the private key is not of the public key"):
        TokenSigner(token, "mixed")


@pytest.mark.parametrize(
    ("changes", "pin", "words"),
    [
        ({}, "654321", "token member: the PIN is wrong"),
        ({"token_label": "elsewhere"}, PIN, "token elsewhere: there is none"),
        ({"module": "/nowhere/lib.so"}, PIN, "module /nowhere/lib.so: can not be loaded"),
        ({}, "", "PIN: set BULWARK_PKCS11_PIN"),
    ],
)
def test_a_token_that_can_not_be_opened_is_named_and_the_pin_is_not(
    module: Path, tmp_path: Path, changes: dict[str, object], pin: str, words: str
) -> None:
    with pytest.raises(TokenError, match=words) as caught:
        Token(settings(module, **changes), tmp_path, {PIN_ENVIRONMENT_NAME: pin})
    assert not pin or pin not in str(caught.value)


def test_the_pin_may_be_in_a_file_that_only_its_owner_reads(module: Path, tmp_path: Path) -> None:
    write_private(tmp_path / "pin", PIN.encode() + b"\n")
    wanted = settings(module, pin_file=Path("pin"))
    Token(wanted, tmp_path, {}).close()
    (tmp_path / "pin").chmod(0o644)
    with pytest.raises(TokenError, match="mode is 0644"):
        Token(wanted, tmp_path, {})


def test_keys_of_the_token_stand_beside_those_of_the_keystore(
    module: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PIN_ENVIRONMENT_NAME, PIN)
    secrets = NodeSecrets.generate()
    keystore = KeystoreConfig(pkcs11=settings(module, vote_key="vote", account_key="account"))
    keys = keys_at_work(tmp_path, keystore, secrets)
    inside = SigningKey(secrets.vote_key).address
    assert keys.vote.addresses[1] == inside != keys.vote.address
    verify(keys.account.address, DIGEST, keys.account.sign(DIGEST))
    keys.vote.choose(lambda address: address == inside)
    assert recover(DIGEST, keys.vote.sign(DIGEST)) == inside
    missing = KeystoreConfig(pkcs11=settings(module, vote_key="nowhere"))
    with pytest.raises(KeystoreError, match="key nowhere"):
        keys_at_work(tmp_path, missing, secrets)


def test_whoever_runs_on_a_token_is_told_in_one_line_that_it_fails(module: Path) -> None:
    token = Token(settings(module), Path(), {PIN_ENVIRONMENT_NAME: PIN})
    told: list[str] = []
    token.lost = told.append
    with pytest.raises(TokenError, match="has no private EC key"):
        token.call("key absent", lambda: token.signing_key("absent"))
    assert told == ["keystore.pkcs11: key absent: the token has no private EC key of it"]
    TokenSigner(token, "vote").sign(DIGEST)
    assert len(told) == 1
    token.close()
