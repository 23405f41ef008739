"""Consents that are given, reported on and withdrawn: the play of the consent tests.

`python -m tests.process.withdrawing --rounds 20` runs it and says how long it takes from the
request of a withdrawal until every member answers without the records that rest on the consent.
"""

from __future__ import annotations

import json
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import click

from tests.consent_terms import terms
from tests.process.support import WHY, Alliance, Load, until

PHONE = "+44 20 7946 {:04d}"


@dataclass
class Withdrawing:
    """One alliance whose first member takes consents."""

    alliance: Alliance

    @property
    def issuer(self) -> str:
        """Member that gives, reports and withdraws."""
        return self.alliance.validators[0]

    def post(self, path: str, body: dict[str, Any], **params: str) -> dict[str, Any]:
        """A request of the issuer that has to be taken."""
        client = self.alliance.client(self.issuer, "reporter")
        answer = client.post(f"/v1/{path}", json=body, params=params)
        assert answer.is_success, f"{path}: {answer.status_code} {answer.text}"
        return dict(answer.json())

    def give(self, wait: str = "executed", **more: Any) -> str:
        """A consent to share a telephone number; its id."""
        return str(self.post("consents", terms(**more), wait=wait)["consent_id"])

    def report_on(self, consent_id: str, value: str, **more: str) -> dict[str, Any]:
        """A report that rests on a consent, as the node answers it."""
        body = {
            "kind": "phone",
            "value": value,
            "fraud_type": "vishing",
            "lawful_basis": "consent",
            "consent_anchor": consent_id,
            **more,
        }
        client = self.alliance.client(self.issuer, "reporter")
        return dict(client.post("/v1/indicators", json=body).json())

    def screen(self, name: str, value: str) -> dict[str, Any]:
        """What a member says of a number."""
        return self.alliance.screen(name, kind="phone", value=value)

    def is_hit(self, name: str, value: str) -> bool:
        """Whether a member's answer scores."""
        return bool(self.screen(name, value)["hit"])

    def is_restricted(self, name: str, value: str) -> bool:
        """Whether a member's answer scores nothing and says that the consent does not stand."""
        answer = self.screen(name, value)
        return answer["score"] == 0 and any(r["code"] == "consent" for r in answer["reasons"])

    def delays(self, consent_id: str, value: str) -> dict[str, float]:
        """Seconds from the request of a withdrawal to each member's first answer without it."""
        found: dict[str, float] = {}
        clients = {name: self.alliance.client(name, "analyst") for name in self.alliance.names}
        question = {**WHY, "kind": "phone", "value": value}
        began = time.monotonic()

        def watch(name: str) -> None:
            while time.monotonic() - began < 60:
                answer = clients[name].post("/v1/screenings", json=question).json()
                if answer["score"] == 0:
                    found[name] = time.monotonic() - began
                    return
                time.sleep(0.005)

        threads = [threading.Thread(target=watch, args=(name,)) for name in clients]
        self.post(f"consents/{consent_id}/withdrawal", {}, wait="accepted")
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert set(found) == set(clients), f"never restricted at {set(clients) - set(found)}"
        return found


def measure(alliance: Alliance, rounds: int) -> list[float]:
    """The slowest member's delay of each round, in seconds."""
    play = Withdrawing(alliance)
    slowest = []
    for number in range(rounds):
        value = PHONE.format(100 + number)
        consent_id = play.give()
        assert "record_id" in play.report_on(consent_id, value)
        for name in alliance.names:
            until(lambda name=name, value=value: play.is_hit(name, value), f"hit at {name}")
        slowest.append(max(play.delays(consent_id, value).values()))
    return slowest


@click.command()
@click.option("--rounds", default=20, show_default=True, help="Withdrawals measured.")
@click.option("--loaded", is_flag=True, help="While two members report without a pause.")
def main(rounds: int, loaded: bool) -> None:
    """Measure withdrawals on a fresh devnet of four members and an observer."""
    with tempfile.TemporaryDirectory() as folder:
        alliance = Alliance.create(Path(folder) / "alliance")
        try:
            alliance.start()
            if loaded:
                with Load(alliance, alliance.validators[:2]):
                    found = measure(alliance, rounds)
            else:
                found = measure(alliance, rounds)
        finally:
            alliance.close()
    figures = {
        "withdrawals": rounds,
        "loaded": loaded,
        "members": len(alliance.names),
        "median_s": round(median(found), 3),
        "slowest_s": round(max(found), 3),
        "goal_s": 3.0,
    }
    click.echo(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
