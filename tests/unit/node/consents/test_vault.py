"""The vault: a key per version, nothing readable on disk, nothing left after an erasure."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bulwark.ledger.ids import Digest, RecordId
from node.consents.shredder import Shredder
from node.consents.vault import KEYS, PERSONS, VERSIONS, StoredConsent, Vault, VaultDamaged, Version
from node.storage.level import LevelStore
from node.storage.memory import MemoryStore
from node.storage.port import KeyValueStore
from node.storage.schema import CONSENTS

KEY = bytes(range(32))
SECRET = "jane.doe@example.org"


def filled(store: KeyValueStore, versions: int = 2, number: int = 1) -> tuple[Vault, StoredConsent]:
    vault = Vault(store, KEY, os.urandom)
    person = vault.person("subject", SECRET)
    consent = StoredConsent(number.to_bytes(32, "big").hex(), (), (person,))
    for each in range(1, versions + 1):
        consent = consent.renew(Digest(bytes([each]) * 32))
        receipt = {"who": SECRET, "version": each}
        store.write(vault.put_version(consent, Version(each, receipt, os.urandom(32))), sync=True)
    return vault, consent


def contents(store: KeyValueStore) -> bytes:
    return b"".join(key + value for key, value in store.iterate(CONSENTS))


def test_versions_are_kept_apart_and_nothing_readable_is_stored() -> None:
    store = MemoryStore()
    vault, consent = filled(store)
    found = vault.find(consent.consent_id)
    assert found == consent
    assert [each.receipt["version"] for each in vault.versions(found)] == [1, 2]
    assert vault.version(found).number == 2
    assert len({each.salt for each in vault.versions(found)}) == 2
    assert SECRET.encode() not in contents(store)
    assert SECRET not in repr(found) + repr(vault.version(found))
    keys = [value for _, value in store.iterate(KEYS)]
    assert len(keys) == 2 and len({value[12:] for value in keys}) == 2


@pytest.mark.parametrize("prefix", [VERSIONS, KEYS])
def test_a_flipped_bit_anywhere_in_a_version_is_noticed(prefix: bytes) -> None:
    store = MemoryStore()
    vault, consent = filled(store, 1)
    [(key, value)] = list(store.iterate(prefix))
    for position in range(len(value)):
        bent = bytearray(value)
        bent[position] ^= 1
        store.write({key: bytes(bent)}, sync=True)
        with pytest.raises(VaultDamaged):
            vault.version(consent)


def test_a_version_does_not_open_as_another_one_or_under_another_vault_key() -> None:
    store = MemoryStore()
    _, consent = filled(store)
    first, second = [key for key, _ in store.iterate(VERSIONS)]
    swapped = {first: store.get(second), second: store.get(first)}
    other = MemoryStore()
    other.write(dict(store.iterate(b"")), sync=True)
    other.write(swapped, sync=True)
    with pytest.raises(VaultDamaged):
        Vault(other, KEY, os.urandom).version(consent)
    with pytest.raises(VaultDamaged):
        Vault(store, bytes(32), os.urandom).find(consent.consent_id)


def test_without_its_wrapped_key_a_version_is_gone_though_its_ciphertext_is_there() -> None:
    store = MemoryStore()
    vault, consent = filled(store, 1)
    store.write({key: None for key, _ in store.iterate(KEYS)}, sync=True)
    assert list(store.iterate(VERSIONS))
    with pytest.raises(LookupError):
        vault.version(consent)


def test_an_erased_receipt_leaves_its_tombstone_and_nothing_else() -> None:
    store = MemoryStore()
    vault, consent = filled(store)
    _, neighbour = filled(store, 1, number=2)
    store.write(vault.erasure(consent, 1_700_000_000_000), sync=True)
    assert vault.find(consent.consent_id) is None
    tombstone = vault.tombstone(consent.consent_id)
    assert tombstone is not None
    assert (tombstone.erased_ms, tombstone.versions) == (1_700_000_000_000, 2)
    left = [key for key, _ in store.iterate(CONSENTS) if consent.anchor_id in key]
    assert left == [CONSENTS + b"x" + consent.anchor_id]
    assert vault.version(neighbour).receipt["who"] == SECRET
    assert vault.of_person(vault.person("subject", SECRET)) == [neighbour.consent_id]


async def test_nothing_of_an_erased_receipt_is_in_any_file(tmp_path: Path) -> None:
    store = LevelStore(tmp_path)
    vault, consent = filled(store, 3)
    for number in range(2, 400):
        filled(store, 1, number=number)
    needles = [
        value[12:44]
        for prefix in (KEYS, VERSIONS)
        for _, value in store.iterate(prefix + consent.anchor_id)
    ]
    store.compact()
    assert len(needles) == 6 and files_with(tmp_path, needles)
    store.write(vault.erasure(consent, 0), sync=True)
    assert await Shredder(store).shred()
    assert files_with(tmp_path, needles) == []
    store.close()
    again = Vault(LevelStore(tmp_path), KEY, os.urandom)
    assert again.find(consent.consent_id) is None
    assert len(again.page("", 1_000)) == 398


def files_with(folder: Path, needles: list[bytes]) -> list[str]:
    return [p.name for p in folder.iterdir() if any(n in p.read_bytes() for n in needles)]


def test_persons_are_found_by_a_keyed_hash_that_says_nothing() -> None:
    store = MemoryStore()
    vault, consent = filled(store)
    assert vault.of_person(vault.person("subject", SECRET)) == [consent.consent_id]
    assert vault.of_person(vault.person("phone", SECRET)) == []
    assert Vault(store, bytes(32), os.urandom).person("subject", SECRET) != vault.person(
        "subject", SECRET
    )
    assert len(list(store.iterate(PERSONS))) == 1


def test_pages_go_through_all_consents_once() -> None:
    store = MemoryStore()
    for number in range(1, 8):
        vault, _ = filled(store, 1, number=number)
    seen: list[str] = []
    while page := vault.page(seen[-1] if seen else "", 3):
        seen += page
    assert len(seen) == len(set(seen)) == 7
    assert vault.page("zz", 2) == seen[:2]


def test_records_that_rest_on_a_consent_are_remembered() -> None:
    store = MemoryStore()
    vault, consent = filled(store, 1)
    record_id = RecordId(b"\x05" * 32)
    store.write(vault.put_resting(consent.anchor_id, record_id), sync=True)
    assert vault.resting(consent.anchor_id) == [record_id]
    assert vault.resting(b"\x09" * 32) == []


@pytest.mark.parametrize("name", ["", "zz", "00", "0" * 66])
def test_a_text_that_is_no_id_finds_nothing(name: str) -> None:
    vault, _ = filled(MemoryStore())
    assert vault.find(name) is None and vault.tombstone(name) is None
