"""Every key and certificate of a member is rotated under load, and no request is lost."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest

from bulwark.ledger.ids import Address
from bulwark.ledger.signing import SigningKey
from bulwark.ledger.transaction import sign_transaction
from contracts.governance import GOVERNANCE, encode_approve
from node.assembly import open_home
from node.devnet.layout import DEVNET_EPOCH_SECONDS
from tests.process.support import WHY, Alliance, Load, rpc, until
from tests.process.test_governance import bulwark, governed
from tests.process.test_membership import Votes

pytestmark = pytest.mark.process

ZERO = "00" * 32
PATIENCE_S = 60.0


@pytest.fixture
def alliance(tmp_path: Path) -> Iterator[Alliance]:
    made = Alliance.create(tmp_path / "alliance", 4, 0, epoch_seconds=DEVNET_EPOCH_SECONDS)
    try:
        made.start()
        yield made
    finally:
        made.close()


class Rotation:
    """One member whose keys are rotated, as its operator and the alliance do it."""

    def __init__(self, alliance: Alliance, name: str) -> None:
        self.alliance, self.name = alliance, name
        self.home = alliance.node(name).home
        self.votes = Votes({n: alliance.client(n, "admin") for n in alliance.validators})

    def rotate(self, kind: str, *words: str | Path) -> dict[str, Any]:
        """The next step; what it answered."""
        told = bulwark("key", "rotate", kind, "--home", self.home, "--json", *words)
        return dict(json.loads(told))

    def reload(self) -> str:
        return bulwark("node", "reload", "--home", self.home)

    def ledger(self) -> dict[str, Any]:
        """The member as the ledger has it."""
        members = governed(self.alliance, self.name, "members")["members"]
        return next(member for member in members if member["id"] == self.name)

    def epoch(self) -> int:
        return int(self.alliance.status(self.name)["consensus"]["epoch"])

    def set_keys(self, **changed: str) -> None:
        now = self.ledger()
        keys = {key: now[key] for key in ("node", "account", "oprf_key")}
        self.votes.carry({"kind": "set_keys", "id": self.name, **keys, **changed})

    def set_pins(self, current: str, coming: str) -> None:
        pins = {"tls_pin": current, "next_tls_pin": coming}
        self.votes.carry({"kind": "set_tls_pins", "id": self.name, **pins})

    def propose(self) -> dict[str, Any]:
        """A proposal of another member that waits for votes."""
        first = next(name for name in self.alliance.validators if name != self.name)
        now = self.ledger()
        pins = {"tls_pin": now["tls_pin"], "next_tls_pin": now["next_tls_pin"] or ZERO}
        body = {"action": {"kind": "set_tls_pins", "id": self.name, **pins}, "lifetime_s": 86_400}
        answer = self.votes.voters[first].post(
            "/v1/governance/proposals", params={"wait": "executed"}, json=body
        )
        assert answer.status_code in (200, 201), answer.text
        made = dict(answer.json()["proposal"])
        until(lambda: self.knows(made["id"]), "the member knows the proposal")
        return made

    def knows(self, number: object) -> bool:
        client = self.alliance.client(self.name, "auditor")
        return client.get(f"/v1/governance/proposals/{number}").status_code == 200

    def passphrase(self) -> None:
        assert self.rotate("passphrase")["passphrase"].endswith("passphrase")
        self.reload()

    def tls(self, folder: Path) -> None:
        old = self.ledger()["tls_pin"]
        made = self.rotate("tls")
        self.set_pins(old, made["key"])
        root = self.alliance.devnet.home / "authority"
        certificate = folder / "new.pem"
        certificate.write_text(
            bulwark(
                *("member", "certificate", "--authority", root, "--id", self.name),
                made["public_key"],
            )
        )
        self.rotate("tls", "--certificate", certificate)
        assert "certificate of the mesh" in self.reload()
        self.set_pins(made["key"], ZERO)
        self.connected()

    def vote(self) -> None:
        made, before = self.rotate("vote"), self.epoch()
        self.reload()
        self.set_keys(node=made["key"])
        until(lambda: self.epoch() > before, "an epoch with the new vote key", PATIENCE_S)
        assert "in use" in self.rotate("vote")["step"]
        self.reload()
        self.signs(made["key"])
        self.connected()

    def account(self) -> None:
        made = self.rotate("account")
        self.reload()
        self.set_keys(account=made["key"])
        until(lambda: self.ledger()["account"] == made["key"], "the ledger has the account")
        assert "in use" in self.rotate("account")["step"]
        self.reload()

    def ring_and_sealing(self) -> None:
        for kind in ("ring", "sealing"):
            before = self.alliance.log(self.name).count("ring and sealing key sent")
            self.rotate(kind)
            assert "keys of the keystore" in self.reload()
            until(
                lambda b=before: (
                    self.alliance.log(self.name).count("ring and sealing key sent") > b
                ),
                f"the ledger gets the {kind} key",
                90.0,
            )
            self.rotate(kind)
            self.reload()

    def signs(self, address: str) -> None:
        """Its votes certify blocks again, now with this key."""
        assert self.ledger()["node"] == address
        start = self.alliance.height(self.name)
        until(
            lambda: any(
                self.name in self.alliance.signers(self.name, height)
                for height in range(start, self.alliance.height(self.name, "finalized") + 1)
            ),
            f"a block certified by {self.name}",
            PATIENCE_S,
        )

    def connected(self) -> None:
        """Everybody else has a connection to it."""
        others = [name for name in self.alliance.validators if name != self.name]
        for other in others:
            until(lambda o=other: self.seen_by(o), f"{other} is connected to it", PATIENCE_S)

    def seen_by(self, other: str) -> bool:
        client = self.alliance.client(other, "auditor")
        members = client.get("/v1/members").json()["members"]
        return any(m["id"] == self.name and m["connected"] for m in members)


@contextmanager
def screenings(alliance: Alliance, name: str) -> Iterator[list[str]]:
    """Screens through a member one after another; what was refused."""
    refused: list[str] = []
    stop = threading.Event()
    headers = {"Authorization": f"Bearer {alliance.key(name, 'analyst')}"}

    def work() -> None:
        body = {**WHY, "kind": "email", "value": "asked@scam-post.net"}
        with httpx.Client(
            base_url=alliance.node(name).rest_url, headers=headers, timeout=40
        ) as client:
            while not stop.wait(0.5):
                try:
                    answer = client.post("/v1/screenings", json=body)
                except httpx.HTTPError as error:
                    refused.append(type(error).__name__)
                    continue
                if answer.status_code != 200:
                    refused.append(f"{answer.status_code} {answer.text[:200]}")

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield refused
    finally:
        stop.set()
        thread.join(60)


def test_every_key_of_a_member_is_rotated_under_load_and_no_request_is_lost(
    alliance: Alliance, tmp_path: Path
) -> None:
    name = alliance.validators[2]
    rotation = Rotation(alliance, name)
    old_account = SigningKey(open_home(rotation.home).secrets.account_key)
    with Load(alliance, [name, alliance.validators[0]]) as load, screenings(alliance, name) as lost:
        until(lambda: len(load.acknowledged) > 10, "reports are executed")
        rotation.passphrase()
        rotation.tls(tmp_path)
        rotation.vote()
        rotation.account()
        rotation.ring_and_sealing()
        seen = len(load.acknowledged)
        until(lambda: len(load.acknowledged) > seen + 20, "reports go on", PATIENCE_S)
    assert (load.refused, lost) == ([], [])
    for record_id in load.acknowledged:
        until(lambda r=record_id: alliance.has_record(name, r), f"{record_id} is on the ledger")
    the_old_account_counts_nothing(rotation, old_account)
    rows = json.loads(bulwark("key", "status", "--home", rotation.home, "--json"))["keys"]
    former = {row["key"]: row["on_ledger"] for row in rows if row["state"] == "former"}
    assert former.keys() == {"tls", "vote", "account", "ring", "sealing"}, "each was rotated"
    assert {former[kind] for kind in ("tls", "vote", "account")} == {"no"}
    alliance.node(name)
    alliance.stop()
    alliance.start()
    rotation.connected()


def the_old_account_counts_nothing(rotation: Rotation, old: SigningKey) -> None:
    """Its transaction is run, as anybody's is, and does nothing: the vote stays open as it was."""
    alliance, name = rotation.alliance, rotation.name
    client = alliance.client(name, "operator")
    proposal = rotation.propose()
    used = rpc(client, "eth_getTransactionCount", f"0x{old.address.hex()}", "pending")["result"]
    made = sign_transaction(
        old,
        chain_id=alliance.genesis.chain_id,
        nonce=int(used, 16),
        to=Address(GOVERNANCE),
        data=encode_approve(int(proposal["id"])),
        gas=300_000,
    )
    sent = rpc(client, "eth_sendRawTransaction", f"0x{made.raw.hex()}")["result"]
    receipt = until(
        lambda: rpc(client, "eth_getTransactionReceipt", sent)["result"], "it is executed"
    )
    assert int(receipt["status"], 16) == 0, "it is reverted"
    place = f"/v1/governance/proposals/{proposal['id']}"
    now = alliance.client(name, "auditor").get(place).raise_for_status().json()
    assert (now["state"], now["approvals"]) == (proposal["state"], proposal["approvals"])


class Steadfast:
    """A client of one member that repeats each report, with its key, until there is an answer."""

    def __init__(self, alliance: Alliance, name: str) -> None:
        self.alliance, self.name = alliance, name
        self.answers: dict[str, str] = {}
        """Record id by idempotency key."""
        self.repeated = 0
        """Tries that found no node."""
        self.refused: list[str] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)

    def __enter__(self) -> Steadfast:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join(120)

    def _work(self) -> None:
        headers = {"Authorization": f"Bearer {self.alliance.key(self.name, 'reporter')}"}
        url = self.alliance.node(self.name).rest_url
        with httpx.Client(base_url=url, headers=headers, timeout=40) as client:
            for number in count():
                if self._stop.is_set():
                    return
                self.answers[f"report-{number}"] = self.one(client, number)

    def one(self, client: httpx.Client, number: int) -> str:
        """The record id of a report, however often it has to be sent."""
        body = {
            "kind": "email",
            "value": f"steadfast{number}@scam-post.net",
            "fraud_type": "phishing",
        }
        while True:
            try:
                answer = client.post(
                    "/v1/indicators",
                    params={"wait": "executed"},
                    json=body,
                    headers={"Idempotency-Key": f"report-{number}"},
                )
            except httpx.HTTPError:
                self.repeated += 1
                time.sleep(0.2)
                continue
            if answer.status_code in (200, 201, 202):
                return str(answer.json()["record_id"])
            if answer.status_code != 503:  # a node that starts is not ready at once
                self.refused.append(f"{answer.status_code} {answer.text[:200]}")
            self.repeated += 1
            time.sleep(0.2)


def stored_keys(rotation: Rotation) -> dict[str, Any]:
    """What `key status` says of the vault and index key, and of what is stored."""
    told = json.loads(bulwark("key", "status", "--offline", "--home", rotation.home, "--json"))
    rows = {row["key"]: row for row in told["keys"] if row["state"] == "in use"}
    return {"next": {rows[kind]["next"] for kind in ("vault", "index")}, **told["stored"]}


def test_vault_and_index_key_are_rotated_by_a_restart_and_no_request_is_lost(
    alliance: Alliance,
) -> None:
    name, other = alliance.validators[2], alliance.validators[0]
    rotation = Rotation(alliance, name)
    with Load(alliance, [other]) as load, Steadfast(alliance, name) as steady:
        until(lambda: len(steady.answers) > 5 and load.acknowledged, "reports are executed")
        assert alliance.screen(name, kind="email", value="steadfast0@scam-post.net")["hit"]
        for kind in ("vault", "index"):
            assert "restart" in rotation.rotate(kind)["next"]
        assert "keys of the keystore" in rotation.reload(), "the running node goes on as it is"
        assert {text.split(":")[0] for text in stored_keys(rotation)["next"]} == {
            "restart the node"
        }
        seen = len(steady.answers)
        os.kill(alliance.node(name).pid or 0, signal.SIGTERM)
        until(lambda: alliance.ended(name), "the node ends in good order")
        alliance.devnet.start_node(name)
        until(lambda: len(steady.answers) > seen + 5, "reports go on", 2 * PATIENCE_S)
        now = stored_keys(rotation)
        assert (now["next"], now["is_done"], now["unreadable"]) == ({"nothing"}, True, 0)
        assert now["moves"] > 10
        answers = dict(steady.answers)
    assert (load.refused, steady.refused) == ([], [])
    for record_id in [*load.acknowledged, *answers.values()]:
        until(lambda r=record_id: alliance.has_record(name, r), f"{record_id} is on the ledger")
    assert len(set(answers.values())) == len(answers)
    headers = {"Authorization": f"Bearer {alliance.key(name, 'reporter')}"}
    with httpx.Client(base_url=alliance.node(name).rest_url, headers=headers, timeout=40) as client:
        assert steady.one(client, 0) == answers["report-0"], "its key is known over the rotation"
    assert alliance.screen(name, kind="email", value="steadfast0@scam-post.net")["hit"]
    found = json.loads(bulwark("access-log", "check", "--home", rotation.home, "--json"))
    assert found["complete"] and found["entries"] > len(answers)
