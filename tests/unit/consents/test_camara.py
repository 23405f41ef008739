"""Status words of CAMARA Consent Info: every state has one; what permits counts, else the last."""

from __future__ import annotations

import pytest

from bulwark.consents.camara import PENDING, Held, Status, StatusReason, status_of, statuses
from bulwark.consents.ending import Ending

PURPOSE = "dpv:FraudPreventionAndDetection"


def held(
    *scopes: str,
    until: str = "",
    expired: bool = False,
    ending: int = 0,
    given_at: str = "2020-01-01T00:00:00Z",
) -> Held:
    return Held(scopes or ("share",), PURPOSE, until, expired, ending, given_at)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (held(), Status(True)),
        (held(until="2030-01-01"), Status(True, None, "2030-01-01T23:59:59Z")),
        (
            held(until="2020-01-01", expired=True),
            Status(False, StatusReason.EXPIRED, "2020-01-01T23:59:59Z"),
        ),
        (held(ending=Ending.EXPIRED), Status(False, StatusReason.EXPIRED)),
        (held(ending=Ending.WITHDRAWN), Status(False, StatusReason.DENIED)),
        (held(ending=Ending.OBJECTED), Status(False, StatusReason.OBJECTED)),
        (held(ending=Ending.INVALIDATED), PENDING),
        (held(ending=77), Status(False, StatusReason.DENIED)),
    ],
)
def test_every_state_of_a_receipt_has_its_word(given: Held, expected: Status) -> None:
    assert status_of(given) == expected


def test_a_receipt_that_permits_counts_before_others() -> None:
    old, new = held(ending=Ending.WITHDRAWN), held(until="2030-01-01")
    assert statuses([old, new], ["share"], PURPOSE) == [(("share",), status_of(new))]
    endless = held()
    assert statuses([new, endless], ["share"], PURPOSE) == [(("share",), Status(True))]


def test_where_nothing_permits_it_the_last_gift_counts() -> None:
    ran_out = held(until="2020-06-01", expired=True)
    taken_back = held(ending=Ending.WITHDRAWN, given_at="2021-01-01T00:00:00Z")
    for given in ([ran_out, taken_back], [taken_back, ran_out]):
        assert statuses(given, ["share"], PURPOSE)[0][1].reason is StatusReason.DENIED
    later = held(until="2022-06-01", expired=True, given_at="2022-01-01T00:00:00Z")
    assert statuses([later, taken_back], ["share"], PURPOSE)[0][1].reason is StatusReason.EXPIRED


def test_scopes_with_one_answer_are_told_together_and_none_is_lost() -> None:
    found = statuses([held("a", "b"), held("c", ending=Ending.OBJECTED)], list("abcda"), PURPOSE)
    assert [(scopes, status.valid) for scopes, status in found] == [
        (("a", "b"), True),
        (("c",), False),
        (("d",), False),
    ]
    assert found[2][1] == PENDING


def test_another_purpose_is_not_covered() -> None:
    assert statuses([held()], ["share"], "dpv:Marketing") == [(("share",), PENDING)]
