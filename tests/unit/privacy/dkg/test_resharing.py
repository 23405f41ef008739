"""Members come and go and shares are renewed: key and tags stay, and epochs never mix."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import pytest

from bulwark.privacy.dkg.outcome import Done
from bulwark.privacy.dkg.phases import Phase, Verdict
from bulwark.privacy.dkg.session import Purpose, quorum_threshold
from bulwark.privacy.errors import BadEvaluation, SessionRefused, ShareUnavailable
from bulwark.privacy.group import decode_scalar
from bulwark.privacy.threshold import TaggingRound, evaluate
from tests.unit.privacy.dkg.checks import assert_sound
from tests.unit.privacy.dkg.crooks import silent
from tests.unit.privacy.dkg.world import (
    Alliance,
    ceremony,
    dealt,
    generated,
    names,
    secret_of,
    stream,
)

RFC = json.loads(
    (Path(__file__).parents[3] / "vectors/oprf/rfc9497_ristretto255_sha512.json").read_text()
)[1]
INPUT = b"\x01phone\x00+4915112345678"


def outputs(
    alliance: Alliance, inputs: Sequence[bytes], chosen: Sequence[str] | None = None
) -> list[bytes]:
    tagging = TaggingRound(alliance.sharing.key, inputs, stream("client"))
    for name in chosen or [*alliance.shares]:
        share = alliance.shares[name]
        tagging.accept(evaluate(share, tagging.blinded_elements(), stream(name)))
    return tagging.outputs()


def moved(
    old: Alliance, members: Sequence[str], *, leaving: Sequence[str] = (), threshold: int = 0
) -> Alliance:
    purpose = Purpose.RESHARE
    made = ceremony(
        purpose, members, old=old, leaving=leaving, threshold=threshold or None, seed="moved"
    )
    made.run()
    assert_sound(made, ())
    return made.alliance()


def refreshed(old: Alliance, members: Sequence[str], threshold: int = 0) -> Alliance:
    made = ceremony(Purpose.REFRESH, members, old=old, threshold=threshold or None)
    made.run()
    assert_sound(made, ())
    return made.alliance()


@pytest.fixture(scope="module")
def four() -> Alliance:
    return generated(4)


def test_tags_survive_members_joining_and_leaving(four: Alliance) -> None:
    everybody = names(9)
    steps = [everybody[:5], everybody[:7], everybody[1:7], everybody[3:7]]
    now, wanted = four, outputs(four, [INPUT])
    for number, members in enumerate(steps, 1):
        now = moved(now, members)
        assert now.sharing.share_epoch == number
        assert now.sharing.key.threshold == quorum_threshold(len(members))
        assert now.sharing.key.public_key == four.sharing.key.public_key
        assert outputs(now, [INPUT]) == wanted


def test_every_quorum_of_new_holders_gives_the_same_tags(four: Alliance) -> None:
    now = moved(four, names(5))
    wanted = outputs(four, [INPUT])
    for chosen in combinations(now.shares, now.sharing.key.threshold):
        assert outputs(now, [INPUT], chosen) == wanted


def test_key_of_the_rfc_gives_the_outputs_of_the_rfc_after_refresh_and_reshare() -> None:
    now = dealt(decode_scalar(bytes.fromhex(RFC["skSm"])), 5, names(7))
    assert now.sharing.key.public_key.encoding.hex() == RFC["pkSm"]
    stages = [now]
    stages.append(refreshed(stages[-1], names(7), 5))
    stages.append(moved(stages[-1], names(10), threshold=4))
    stages.append(refreshed(stages[-1], names(10), 4))
    for stage in stages:
        for case in RFC["vectors"]:
            inputs = [bytes.fromhex(part) for part in case["Input"].split(",")]
            wanted = [bytes.fromhex(part) for part in case["Output"].split(",")]
            assert outputs(stage, inputs) == wanted


def test_refresh_changes_every_share_and_no_tag(four: Alliance) -> None:
    now = refreshed(four, names(4))
    assert now.sharing.share_epoch == 1
    assert outputs(now, [INPUT]) == outputs(four, [INPUT])
    for name, share in now.shares.items():
        assert share.secret_share != four.shares[name].secret_share
        assert share.public_share != four.shares[name].public_share


def test_answers_of_two_share_epochs_never_mix_silently(four: Alliance) -> None:
    now = refreshed(four, names(4))
    for key, shares in ((four.sharing.key, now.shares), (now.sharing.key, four.shares)):
        tagging = TaggingRound(key, [INPUT], stream("client"))
        for share in shares.values():
            with pytest.raises(BadEvaluation) as caught:
                tagging.accept(evaluate(share, tagging.blinded_elements(), stream("evaluator")))
            assert caught.value.index == share.index
        assert not tagging.ready


def test_old_and_new_shares_together_do_not_give_the_key(four: Alliance) -> None:
    now = refreshed(four, names(4))
    key = secret_of([four.shares[name] for name in names(3)])
    assert secret_of([now.shares[name] for name in names(3)]) == key
    mixed = [now.shares["member 0"], now.shares["member 1"], four.shares["member 2"]]
    assert secret_of(mixed) != key


def test_share_of_a_removed_member_is_useless_with_new_ones() -> None:
    seven = generated(7)
    now = moved(seven, names(6))
    removed = seven.shares["member 6"]
    key = secret_of([*seven.shares.values()][:5])
    new = [now.shares[name] for name in names(6)]
    assert secret_of(new[:4]) == key
    assert secret_of([*new[:3], removed]) != key
    with pytest.raises(SessionRefused, match="not of the old sharing"):
        ceremony(Purpose.RESHARE, names(7), old=Alliance(now.sharing, {"member 0": removed}))


def test_member_that_leaves_may_deal_for_the_last_time_and_gets_nothing() -> None:
    five = generated(5)
    made = ceremony(Purpose.RESHARE, names(4), old=five, leaving=["member 4"])
    assert made.session.dealers == (1, 2, 3, 4, 5)
    outcome = made.run()
    assert isinstance(outcome, Done) and 5 in outcome.dealers
    assert_sound(made, ())
    with pytest.raises(ShareUnavailable, match="no holder"):
        made.parties[5].share(made.board)
    assert made.verdicts[5, Phase.DEAL] is Verdict.TAKEN
    assert made.verdicts[5, Phase.COMPLAIN] is Verdict.PASSED
    assert outputs(made.alliance(), [INPUT]) == outputs(five, [INPUT])


def test_member_that_joins_deals_nothing_and_gets_a_share(four: Alliance) -> None:
    made = ceremony(Purpose.RESHARE, ["newcomer", *names(4)], old=four)
    assert made.session.dealers == (2, 3, 4, 5)
    assert [made.session.old_index(party) for party in range(6)] == [None, None, 1, 2, 3, 4]
    assert made.parties[1].to_post(Phase.COMMIT, made.board) == b""
    made.run()
    assert_sound(made, ())
    now = made.alliance()
    assert outputs(now, [INPUT], ["newcomer", *names(3)]) == outputs(four, [INPUT])


def test_reshare_works_with_exactly_t_old_dealers(four: Alliance) -> None:
    made = ceremony(Purpose.RESHARE, names(7), old=four)
    silent(Phase.DEAL)(made, 2)
    outcome = made.run()
    assert isinstance(outcome, Done)
    assert outcome.dealers == (1, 3, 4)
    assert_sound(made, {2})
    assert outputs(made.alliance(), [INPUT]) == outputs(four, [INPUT])


def test_reshare_in_the_middle_leaves_the_old_shares_usable(four: Alliance) -> None:
    wanted = outputs(four, [INPUT])
    made = ceremony(Purpose.RESHARE, names(5), old=four)
    made.run(until=Phase.RECONSTRUCT)
    assert outputs(four, [INPUT]) == wanted
    for index in made.holders:
        silent(Phase.CONFIRM)(made, index)
    assert not isinstance(made.run(), Done)
    assert outputs(four, [INPUT]) == wanted
    now = moved(four, names(5))
    assert outputs(now, [INPUT]) == wanted


def test_holder_that_lost_its_share_gets_one_by_a_reshare_among_the_same_members(
    four: Alliance,
) -> None:
    shares = {name: share for name, share in four.shares.items() if name != "member 1"}
    lacking = Alliance(four.sharing, shares)
    stuck = ceremony(Purpose.REFRESH, names(4), old=lacking)
    outcome = stuck.run()
    assert isinstance(outcome, Done) and outcome.unconfirmed == (2,)
    with pytest.raises(ShareUnavailable, match="needs the old share"):
        stuck.parties[2].share(stuck.board)
    made = ceremony(Purpose.RESHARE, names(4), old=lacking)
    assert isinstance(made.run(), Done)
    assert outputs(made.alliance(), [INPUT], names(3)) == outputs(four, [INPUT])


def test_single_member_hands_its_key_to_four_and_back() -> None:
    one = generated(1)
    four = moved(one, names(4))
    back = moved(four, ["member 2"], leaving=["member 0", "member 1", "member 3"])
    assert outputs(back, [INPUT]) == outputs(four, [INPUT]) == outputs(one, [INPUT])
