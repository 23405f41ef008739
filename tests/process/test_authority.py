"""The alliance's certificate authority is changed under load, and no request is lost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from node.devnet.layout import DEVNET_EPOCH_SECONDS
from tests.process.support import Alliance, Load, until
from tests.process.test_governance import bulwark
from tests.process.test_rotation import PATIENCE_S, Rotation, screenings

pytestmark = pytest.mark.process


@pytest.fixture
def alliance(tmp_path: Path) -> Iterator[Alliance]:
    made = Alliance.create(tmp_path / "alliance", 4, 0, epoch_seconds=DEVNET_EPOCH_SECONDS)
    try:
        made.start()
        yield made
    finally:
        made.close()


class Change:
    """All members go from one authority to another, one after another."""

    def __init__(self, alliance: Alliance, folder: Path) -> None:
        self.members = [Rotation(alliance, name) for name in alliance.validators]
        self.alliance, self.new = alliance, folder / "authority-2"
        bulwark("authority", "new", "--alliance", "Second", "--out", self.new, "--unattended")

    def trust(self) -> None:
        for member in self.members:
            bulwark("authority", "trust", self.new / "ca.pem", "--home", member.home)
            assert "certificate of the mesh" in member.reload()

    def renew(self, member: Rotation) -> None:
        """A certificate of the new authority for the key that the ledger has already."""
        words = ("member", "certificate", "--authority", self.new, "--id", member.name)
        file = self.new / f"{member.name}.pem"
        file.write_text(bulwark(*words, member.home / "tls" / "node.pem"))
        assert "is installed" in member.rotate("tls", "--certificate", file)["step"]
        assert "certificate of the mesh" in member.reload()

    def forget(self) -> None:
        for member in self.members:
            bulwark("authority", "forget", "--home", member.home)
            assert "certificate of the mesh" in member.reload()

    def restart(self, member: Rotation) -> None:
        """The process is killed and comes back: all its connections are made anew."""
        self.alliance.devnet.kill(member.name)
        self.alliance.start()
        member.connected()


def test_the_authority_of_all_members_is_changed_under_load_and_no_request_is_lost(
    alliance: Alliance, tmp_path: Path
) -> None:
    change = Change(alliance, tmp_path)
    asked = change.members[0].name
    moved, *others = change.members[1:]
    with Load(alliance, [asked]) as load, screenings(alliance, asked) as lost:
        until(lambda: len(load.acknowledged) > 10, "reports are executed")
        change.trust()
        change.renew(moved)
        early = bulwark("authority", "forget", "--home", moved.home, fails=2)
        assert "still shows" in early, "the others' nodes need the old authority yet"
        change.restart(moved)  # meets members with certificates of the old authority
        for member in (change.members[0], *others):
            change.renew(member)
        change.forget()
        change.restart(others[0])  # meets members that know the new one alone
        seen = len(load.acknowledged)
        until(lambda: len(load.acknowledged) > seen + 20, "reports go on", PATIENCE_S)
    assert (load.refused, lost) == ([], [])
    until(
        lambda: all(alliance.has_record(asked, record_id) for record_id in load.acknowledged),
        "what was acknowledged is on the ledger",
        PATIENCE_S,
    )
    alliance.stop()
    alliance.start()
    for member in change.members:
        member.connected()
