"""What is generated fits together, opens with its keys, and comes out the same for one seed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from api.auth import ApiKeys, generate_api_keys
from bulwark.ledger.features import PROTOCOL_LEVEL
from bulwark.ledger.genesis import Genesis
from bulwark.ledger.ids import Address, MemberId
from bulwark.ledger.signing import SigningKey
from bulwark.privacy.memberkeys import decode_ring_secret, possession_context
from bulwark.privacy.schnorr import REGULATOR_KEY, RING_KEY, verify_encoded_possession
from bulwark.privacy.sealing import SealingKey
from contracts.bindings import (
    GOVERNANCE,
    MEMBER_REGISTRY,
    PARAMETERS,
    RECORD_REGISTRY,
    member_id_bytes,
    read_members,
    read_parameters,
    roles_slot,
)
from contracts.privacy.keys import read_keys_at, read_regulator_key_at
from genesis.alliance import Alliance
from genesis.errors import FolderInUse, FolderUnusable
from genesis.generator import Generated, generate
from node.chain.epochs import usable
from node.config import load_config
from node.keys import KeystoreDamaged, NodeSecrets, passphrase_from
from node.network.identity import LocalIdentity, Member, MemberTable, check_local
from node.network.tls import client_context, server_context
from node.pki import CertificateAuthority
from tests.unit.genesis.samples import NOW_MS, make, passphrase_of, seeded

# Changes with the contracts and the format of the document, and with nothing else.
GOLDEN_HASH = "1d59b716535c84403cad2fd317d968e967937bee8f3a9c2cab53ad1823921304"


def secrets_of(generated: Generated, name: str) -> NodeSecrets:
    return NodeSecrets.load(generated.out / name / "keys/keystore.json", passphrase_of(name))


def test_one_seed_gives_one_genesis_document(made: Generated) -> None:
    assert made.genesis.hash.hex() == GOLDEN_HASH


def test_one_seed_gives_the_same_files_except_signatures_and_the_sealed_ca_key(
    made: Generated, four_banks: Alliance, tmp_path: Path
) -> None:
    again = make(four_banks, tmp_path / "again", unattended=True)
    for path in sorted(made.out.rglob("*")):
        name = path.relative_to(made.out)
        if path.is_file() and path.suffix != ".pem":
            assert (again.out / name).read_bytes() == path.read_bytes(), name


def test_every_home_holds_the_document_of_the_alliance(made: Generated) -> None:
    document = (made.out / "genesis.json").read_bytes()
    assert Genesis.from_json(document) == made.genesis
    assert len(made.homes) == 5
    for home in made.homes:
        assert (home.home / "genesis.json").read_bytes() == document


def test_the_keys_of_a_home_are_those_of_its_member_in_the_document(made: Generated) -> None:
    genesis = made.genesis
    table = MemberTable(Member(m.id, m.node, (m.tls_pin,)) for m in genesis.members)
    for home in made.homes:
        secrets = secrets_of(made, home.id)
        member = genesis.member(home.id)
        assert member is not None
        assert SigningKey(secrets.account_key).address == member.account
        local = LocalIdentity(
            id=home.id,
            vote_key=SigningKey(secrets.vote_key),
            tls_key_pem=secrets.tls_key_pem,
            certificate_pem=(home.home / "tls/node.pem").read_bytes(),
            ca_pem=(home.home / "tls/ca.pem").read_bytes(),
            domain=genesis.domain(),
        )
        check_local(local, table)
        assert server_context(local) is not None
        assert client_context(local) is not None


def test_observers_do_not_vote(made: Generated) -> None:
    assert [home.id for home in made.homes if not home.is_validator] == ["regulator"]
    assert made.genesis.validator_set.index_of(made.genesis.members[4].node) is None


def test_every_asking_member_has_a_proven_ring_key_and_the_regulator_its_part(
    made: Generated,
) -> None:
    chain_id, regulator = made.genesis.chain_id, made.genesis.members[4]
    for member in made.genesis.members:
        secrets = secrets_of(made, member.id)
        context = possession_context(chain_id, member_id_bytes(member.id))
        ring_key, proof = member.ring_key or b"", member.ring_proof or b""
        assert ring_key == decode_ring_secret(secrets.ring_key).public.encoding
        assert verify_encoded_possession(RING_KEY, context, ring_key, proof)
        assert member.sealing_key == SealingKey(secrets.sealing_key).public
        assert (secrets.regulator_key is None) == (member.regulator_key is None)
    context = possession_context(chain_id, member_id_bytes(regulator.id))
    key, proof = regulator.regulator_key or b"", regulator.regulator_proof or b""
    assert verify_encoded_possession(REGULATOR_KEY, context, key, proof)


def test_the_keys_are_in_the_state_from_the_start(made: Generated) -> None:
    alloc = {bytes(address): account for address, account in made.genesis.alloc.items()}

    def read(contract: Address, slot: int) -> int:
        return alloc[bytes(contract)].storage.get(slot, 0)

    for member in made.genesis.members:
        keys = read_keys_at(read, member_id_bytes(member.id), 0)
        assert keys is not None
        assert (keys.ring_key, keys.sealing_key) == (member.ring_key, member.sealing_key)
    part = read_regulator_key_at(read, 0)
    assert part is not None
    assert part.key == made.genesis.members[4].regulator_key


def test_the_registries_are_in_the_state_with_the_members_roles(made: Generated) -> None:
    alloc = made.genesis.alloc
    registry = {bytes(address): account for address, account in alloc.items()}[MEMBER_REGISTRY]
    expected = [1 | 2 | 8, 1 | 2, 1 | 2, 1 | 2, 4]
    found = [registry.storage[roles_slot(member.account)] for member in made.genesis.members]
    assert found == expected
    assert registry.storage[0] == int.from_bytes(GOVERNANCE, "big")
    assert RECORD_REGISTRY in {bytes(address) for address in alloc}


def test_the_alliance_governs_itself_with_the_parameters_of_the_document(made: Generated) -> None:
    genesis = made.genesis

    def read_slot(contract: bytes, slot: int) -> int:
        return genesis.alloc[Address(contract)].storage.get(slot, 0)

    parameters = read_parameters(read_slot)
    assert set(parameters) == set(PARAMETERS) - {PROTOCOL_LEVEL}, "a level is set by a vote alone"
    assert parameters.pop("gas_limit") == genesis.gas_limit
    assert parameters.pop("request_timeout_ms") == 5_000
    assert parameters == {n: getattr(genesis.consensus, n) for n in parameters}
    assert usable(genesis, parameters)
    assert [member.account for member in read_members(read_slot)] == [
        member.account for member in genesis.members
    ]


def test_the_document_carries_parameters_and_permissions(made: Generated) -> None:
    assert made.genesis.permissions.send == "members"
    assert made.genesis.permissions.deploy == "deployers"
    assert (made.genesis.chain_id, made.genesis.created_ms) == (680_401, NOW_MS)


def test_the_configuration_names_all_other_members_as_peers(made: Generated) -> None:
    config = load_config(made.out / "rivertel")
    assert config.member == "rivertel"
    assert (config.network.listen_port, config.http.port) == (17_102, 17_103)
    assert [(peer.member, peer.port) for peer in config.network.peers] == [
        ("northbank", 17_100),
        ("harbour-savings", 17_104),
        ("hilltel", 17_106),
        ("regulator", 17_108),
    ]


def test_clear_api_keys_open_what_the_hashed_file_allows(made: Generated) -> None:
    for home in made.homes:
        keys = ApiKeys.load(home.home / "api_keys.json")
        clear = json.loads((home.home / "api_keys.clear.json").read_bytes())
        assert set(clear) == {"reporter", "analyst", "operator", "auditor", "admin"}
        for role, key in clear.items():
            principal = keys.identify(key.encode())
            assert principal is not None
            assert principal.role == role


def test_api_keys_differ_between_members(made: Generated) -> None:
    texts = {(home.home / "api_keys.clear.json").read_bytes() for home in made.homes}
    assert len(texts) == len(made.homes)


def test_secrets_are_readable_by_their_owner_only(made: Generated) -> None:
    assert made.out.stat().st_mode & 0o777 == 0o700
    for home in made.homes:
        assert home.home.stat().st_mode & 0o777 == 0o700
    private = [*made.out.rglob("api_keys*.json"), *made.out.rglob("keys/*")]
    private += [*made.out.rglob("ca-key.pem"), *made.out.rglob("passphrase")]
    assert len(private) == 5 * 2 + 5 * 2 + 1 + 6
    for path in private:
        assert path.stat().st_mode & 0o777 == 0o600, path


def test_unattended_homes_open_with_the_file_beside_the_keystore(made: Generated) -> None:
    home = made.out / "hilltel"
    config = load_config(home)
    assert config.keystore.passphrase_file is not None
    passphrase = passphrase_from({}, home / config.keystore.passphrase_file)
    assert NodeSecrets.load(home / config.keystore.path, passphrase).ring_key


def test_attended_homes_keep_no_passphrase(four_banks: Alliance, tmp_path: Path) -> None:
    generated = make(four_banks, tmp_path / "attended")
    assert list(generated.out.rglob("passphrase")) == []
    assert load_config(generated.out / "hilltel").keystore.passphrase_file is None
    with pytest.raises(KeystoreDamaged):
        NodeSecrets.load(generated.out / "hilltel/keys/keystore.json", b"another")


def test_the_ca_key_opens_with_its_passphrase_and_lies_in_no_home(made: Generated) -> None:
    ca = CertificateAuthority.load(made.out / "authority", passphrase_of("authority"))
    assert ca.certificate.subject.rfc4514_string() == "CN=Four banks"
    assert list(made.out.rglob("ca-key.pem")) == [made.out / "authority/ca-key.pem"]


def test_a_folder_with_content_is_refused_and_left_alone(
    four_banks: Alliance, tmp_path: Path
) -> None:
    (tmp_path / "mine").write_text("keep")
    with pytest.raises(FolderInUse, match="is not empty"):
        make(four_banks, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_a_file_in_the_place_of_the_folder_is_refused(four_banks: Alliance, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("keep")
    with pytest.raises(FolderInUse, match="is not a folder"):
        make(four_banks, tmp_path / "file")


def test_a_run_that_fails_leaves_the_folder_empty(four_banks: Alliance, tmp_path: Path) -> None:
    def passphrase(name: str) -> bytes:
        if name == MemberId("hilltel"):
            raise OSError(28, "No space left on device")
        return name.encode()

    with pytest.raises(FolderUnusable, match="No space left"):
        generate(
            four_banks,
            tmp_path / "out",
            random_bytes=seeded(b"x"),
            now_ms=NOW_MS,
            passphrase_of=passphrase,
            new_api_keys=generate_api_keys,
        )
    assert list((tmp_path / "out").iterdir()) == []
