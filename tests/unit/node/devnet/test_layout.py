"""Names, ports and files of a devnet are what others rely on; damage is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from node.devnet.devnet import Devnet
from node.devnet.errors import DevnetInvalid
from node.devnet.layout import (
    Wish,
    devnet_alliance,
    is_devnet,
    member_name,
    observer_name,
    read_nodes,
)


def test_names_tell_banks_from_telcos_and_stay_unique() -> None:
    assert [member_name(i) for i in range(4)] == ["bank-a", "telco-b", "bank-c", "telco-d"]
    assert [observer_name(i) for i in range(2)] == ["regulator", "regulator-2"]
    assert len({member_name(i) for i in range(100)}) == 100


def test_node_i_has_two_ports_from_the_base() -> None:
    members = devnet_alliance(2, 1, range(17_000, 17_006)).members
    assert [(m.p2p_port, m.http_port) for m in members] == [
        (17_000, 17_001),
        (17_002, 17_003),
        (17_004, 17_005),
    ]


def test_anyone_may_try_contracts_on_a_devnet() -> None:
    alliance = devnet_alliance(4, 1, range(10))
    assert (alliance.permissions.send, alliance.permissions.deploy) == ("anyone", "anyone")
    assert alliance.members[4].roles == ("regulator",)


def test_a_missing_or_empty_folder_holds_no_devnet_yet(tmp_path: Path) -> None:
    assert not is_devnet(tmp_path)
    assert not is_devnet(tmp_path / "nowhere")


def test_damage_is_named_with_its_file(devnet: Devnet) -> None:
    (devnet.home / "devnet.json").write_text("[")
    with pytest.raises(DevnetInvalid, match=r"devnet\.json: is damaged"):
        read_nodes(devnet.home)
    (devnet.home / "devnet.json").unlink()
    assert [node.pid for node in read_nodes(devnet.home)] == [None] * 3
    (devnet.home / "telco-b/node.toml").write_text("member = 'telco-b'\n")
    with pytest.raises(DevnetInvalid, match=r"telco-b/node\.toml: no usable ports"):
        read_nodes(devnet.home)
    (devnet.home / "genesis.json").write_text("{}")
    with pytest.raises(DevnetInvalid, match="genesis"):
        read_nodes(devnet.home)


def test_a_wish_that_fits_or_says_nothing_is_fine(devnet: Devnet) -> None:
    Wish().check(devnet.home, devnet.nodes)
    Wish(2, 1, devnet.nodes[0].p2p_port).check(devnet.home, devnet.nodes)
    with pytest.raises(DevnetInvalid, match="--observers 1; --observers 0 needs another"):
        Wish(observers=0).check(devnet.home, devnet.nodes)
