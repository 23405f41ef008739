"""What the console's pages say, and where their links lead."""

from __future__ import annotations

import json
import re

import pytest
from msgspec.structs import replace

from api.console.render import duration
from api.console.wording import action_text
from bulwark.indicators.model import IndicatorReport
from bulwark.ledger.hashing import sha256
from bulwark.ledger.ids import Epoch, Height, MemberId, RecordId, ValidatorIndex, View
from bulwark.ledger.lifecycle import State
from bulwark.ledger.standing import Standing, Step
from bulwark.ledger.votes import VoteKind, VoteSubject
from consensus.evidence import DoubleVote, WrongNewView
from consensus.messages import NewView, ViewChange, Vote
from node.diagnosis.facts import Facts
from node.disputes.port import Whose
from node.evidence import Case, EvidenceEntry
from node.governance.documents import FIELDS
from node.governance.port import ProposalView
from node.service import Caller, Role, Stage
from tests.unit.api.console.world import POLICY, Browser, ConsoleWorld, token_of
from tests.unit.api.fake_chain import START_MS
from tests.unit.api.world import PHONE


@pytest.fixture
def world() -> ConsoleWorld:
    return ConsoleWorld()


def caught(culprit: str = "telco-d", *, holds: bool = True) -> EvidenceEntry:
    votes = [
        Vote(
            VoteSubject(VoteKind.PREPARE, View(2), Height(9), sha256(word)),
            ValidatorIndex(3),
            word[:1] * 65,
        )
        for word in (b"one", b"two")
    ]
    return EvidenceEntry(Case(Epoch(0), DoubleVote(*votes)), culprit, "0x" + "04" * 20, holds)


async def search(browser: Browser, text: str) -> tuple[int, str, str]:
    token = token_of(await browser.page("/console"))
    answer = await browser.post("/console/search", token=token, q=text)
    return answer.status_code, answer.headers.get("location", ""), answer.text


async def test_a_certificate_names_who_signed_and_who_did_not(world: ConsoleWorld) -> None:
    async with world.browser() as browser:
        await browser.login(Role.AUDITOR)
        page = await browser.page("/console/blocks/1/certificate")
        rows = re.findall(r'<th scope="row"><a href="/console/members/([^"]+)".*?</tr>', page, re.S)
        assert rows == ["bank-a", "telco-b", "bank-c", "telco-d"]
        assert page.count("did not sign") == 1 and page.count("</span> signed") == 3
        # The fake's signatures are no signatures: the page says so instead of trusting the store.
        assert "Does not hold" in page and "Holds" not in page


async def test_lists_of_blocks_are_paged_to_both_ends(world: ConsoleWorld) -> None:
    for _ in range(60):
        world.chain.add([])
    tip = world.chain.tip
    async with world.browser() as browser:
        await browser.login(Role.AUDITOR)
        page, seen = await browser.page("/console/blocks"), []
        while True:
            seen += [int(at) for at in re.findall(r'<th scope="row"><a href="[^"]*/(\d+)"', page)]
            older = re.search(r'href="([^"]+)">Older blocks', page)
            if older is None:
                break
            page = await browser.page(older[1])
        assert seen == list(range(tip, -1, -1))
        assert await browser.page(f"/console/blocks?from={10**17}")


async def test_a_case_shows_both_messages_and_leads_to_member_proposals_and_reports(
    world: ConsoleWorld,
) -> None:
    entry = caught("telco-b")
    world.node.cases[entry.case.id] = entry
    world.governance.found.append(
        ProposalView(2, "open", "bank-a", START_MS, {"kind": "remove_member", "id": "telco-b"},
                     ("bank-a",), 3, 4, None)
    )  # fmt: skip
    path = f"/console/evidence/{entry.case.id.hex()}"
    async with world.browser() as browser:
        await browser.login(Role.AUDITOR)
        assert path in await browser.page("/console/evidence")
        assert path in await browser.page("/console/members/telco-b")
        assert path in await browser.page("/console/proposals/2")
        page = await browser.page(path)
        assert "Verified by this node" in page and "two different values" in page
        assert page.count("≠ differs") == 3
        assert entry.case.encode().hex() in page
        for link in ("members/telco-b", "proposals/2", "reports/sharing?member=telco-b"):
            assert f'href="/console/{link}"' in page
    async with world.browser() as browser:
        await browser.login(Role.OPERATOR)
        assert "/console/reports" not in await browser.page(path)
    world.node.cases[entry.case.id] = replace(entry, holds=False)
    async with world.browser() as browser:
        await browser.login(Role.AUDITOR)
        assert "Does not hold at this node" in await browser.page(path)


async def test_a_case_of_many_and_long_messages_makes_a_short_page(world: ConsoleWorld) -> None:
    digests = tuple(sha256(b"%d" % at) for at in range(2_000))
    opened = NewView(View(1), (), digests, ValidatorIndex(1), b"\1" * 65)
    asked = tuple(ViewChange(View(1), None, (), ValidatorIndex(at), b"\2" * 65) for at in range(20))
    entry = EvidenceEntry(Case(Epoch(0), WrongNewView(opened, asked)), "telco-b", "", True)
    world.node.cases[entry.case.id] = entry
    async with world.browser() as browser:
        await browser.login(Role.AUDITOR)
        page = await browser.page(f"/console/evidence/{entry.case.id.hex()}")
        assert len(page) < 100_000
        assert "(cut off here)" in page and "17 further messages" in page
        assert "too many for a page" in page


async def test_many_cases_are_listed_page_by_page(world: ConsoleWorld) -> None:
    for at in range(230):
        votes = [
            Vote(VoteSubject(VoteKind.COMMIT, View(0), Height(at), sha256(word)),
                 ValidatorIndex(3), b"\3" * 65)
            for word in (b"one", b"two")
        ]  # fmt: skip
        entry = EvidenceEntry(Case(Epoch(0), DoubleVote(*votes)), "telco-d", "", True)
        world.node.cases[entry.case.id] = entry
    async with world.browser() as browser:
        await browser.login(Role.AUDITOR)
        seen, page = 0, await browser.page("/console/evidence")
        while True:
            seen += page.count('<th scope="row">')
            further = re.search(r'href="([^"]+)">Further cases', page)
            if further is None:
                break
            page = await browser.page(further[1])
        assert seen == 230
        assert "No cases on this page" in await browser.page("/console/evidence?from=999")


async def test_evidence_against_somebody_who_left_has_a_page_of_its_member(
    world: ConsoleWorld,
) -> None:
    entry = caught("long-gone")
    world.node.cases[entry.case.id] = entry
    async with world.browser() as browser:
        await browser.login(Role.AUDITOR)
        assert "no member long-gone now" in await browser.page("/console/members/long-gone")
        await browser.page("/console/members/never-was", 404)


async def test_a_proposal_shows_its_dry_run_only_while_it_is_open(world: ConsoleWorld) -> None:
    async with world.browser() as browser:
        await browser.login(Role.ADMIN)
        page = await browser.page("/console/proposals/1")
        assert "Unsafe" in page and "below-quorum" in page and "Set rotation to 32" in page
        world.governance.found[0] = replace(world.governance.found[0], state="executed")
        page = await browser.page("/console/proposals/1")
        assert "Dry run" not in page and "executed" in page


@pytest.mark.parametrize("kind", [*FIELDS, "unheard_of"])
def test_every_action_is_a_sentence(kind: str) -> None:
    given = {"id": "bank-a", "name": "rotation", "value": 3, "roles": [], "policy": "ab" * 32}
    text = action_text({"kind": kind, **given, "evidence": "cd" * 32})
    assert text[0].isupper() and "_" not in text and len(text) < 60
    assert any(word in text for word in ("bank-a", "rotation", "abababab"))


async def test_search_finds_each_of_its_five_forms_and_nothing_else(world: ConsoleWorld) -> None:
    block, entry = world.chain.block(Height(1)), caught()
    assert block is not None
    world.node.cases[entry.case.id] = entry
    transaction = block.transactions[0].hash.hex()
    async with world.browser() as browser:
        await browser.login(Role.AUDITOR)
        for text, path in {
            "1": "/console/blocks/1",
            " 0x" + block.hash.hex().upper() + " ": "/console/blocks/1",
            transaction: f"/console/transactions/0x{transaction}",
            "telco-b": "/console/members/telco-b",
            entry.case.id.hex(): f"/console/evidence/{entry.case.id.hex()}",
            "ca" * 32: f"/console/openings/{'ca' * 32}",
        }.items():
            assert (await search(browser, text))[:2] == (303, path)
        for text in ("9,999", "ff" * 32, "nobody"):
            status, _, page = await search(browser, text)
            assert status == 404 and "nothing of that height, hash or id" in page
        for text in ("+442079460958", "a@b.example", "<script>", "", "é" * 30):
            status, _, page = await search(browser, text)
            assert status == 404 and "can not be searched here" in page
            assert not text or text not in page


async def test_only_an_auditor_is_led_to_a_record(world: ConsoleWorld) -> None:
    record = await reported(world)
    for role, status in ((Role.AUDITOR, 303), (Role.OPERATOR, 404), (Role.ADMIN, 404)):
        async with world.browser() as browser:
            await browser.login(role)
            assert (await search(browser, record))[0] == status
            page = await browser.page(f"/console/records/{record}", 200 if status == 303 else 403)
            assert ("imp_bank" in page) == (status == 303)


async def test_a_record_shows_what_followed_it_refusals_too(world: ConsoleWorld) -> None:
    record = await reported(world)
    steps = (
        Step(RecordId(b"1" * 32), 3, 1, MemberId("telco-b"), Height(1), START_MS, None,
             State.DISPUTED),
        Step(RecordId(b"2" * 32), 7, 0, MemberId("telco-b"), Height(2), START_MS,
             "lifecycle.erase.too_early", State.DISPUTED),
    )  # fmt: skip
    world.disputes.standing = Standing(State.DISPUTED, restricted=True, history=steps)
    async with world.browser() as browser:
        await browser.login(Role.AUDITOR)
        page = await browser.page(f"/console/records/{record}")
        assert "restricted: it answers and scores nothing" in page
        assert "lifecycle.erase.too_early" in page and page.count(">taken<") == 1
        assert "dispute" in page and 'href="/console/blocks/2"' in page
        world.disputes.standing = Standing()
        assert "Nothing followed it" in await browser.page(f"/console/records/{record}")


async def test_disputes_are_listed_without_the_codes_of_people(world: ConsoleWorld) -> None:
    async with world.browser() as browser:
        await browser.login(Role.AUDITOR)
        page = await browser.page("/console/disputes?state=open")
        assert f'href="/console/records/{"d2" * 32}"' in page and "overdue" in page
        assert "secret-code" not in page
        older = re.search(r'href="([^"]+)">Older disputes', page)
        assert older is not None
        await browser.page(older[1].replace("&amp;", "&"))
        assert world.disputes.asked == [
            (Whose.ALL, True, None),
            (Whose.ALL, True, b"\x07" * 16),
        ]
        for bad in ("state=none", "cursor=xy", "cursor=abc", "whose=nobody"):
            await browser.page(f"/console/disputes?{bad}", 400)
    for role in (Role.OPERATOR, Role.ADMIN):
        async with world.browser() as browser:
            await browser.login(role)
            await browser.page("/console/disputes", 403)


async def test_a_policy_says_what_it_permits_and_a_bad_document_why_it_is_none(
    world: ConsoleWorld,
) -> None:
    async with world.browser() as browser:
        await browser.login(Role.OPERATOR)
        shown = await browser.page("/console/policies")
        paths = re.findall(r'"(/console/policies/[0-9a-f]{64})"', shown)
        assert paths == [f"/console/policies/{v.id.hex()}" for v in world.policies.found]
        assert "is no JSON" in await browser.page(paths[0])
        page = await browser.page(paths[1])
        assert POLICY.title in page and "holds where an anchor names no policy" in page
        for ground in POLICY.grounds:
            assert all(str(kind) in page for kind in ground.kinds)
        assert "data classes: all kinds" in page
        await browser.page(f"/console/policies/{'00' * 32}", 404)
        await browser.page("/console/policies/../secrets", 404)


async def test_an_opening_lists_who_voted_and_who_posted_a_part(world: ConsoleWorld) -> None:
    async with world.browser() as browser:
        await browser.login(Role.ADMIN)
        page = await browser.page(f"/console/openings/{'ca' * 32}")
        body = page[page.index("<tbody>") : page.index("</tbody>")]
        rows = [re.sub(r"<[^>]+>", " ", row).split() for row in body.split("</tr>")[:-1]]
        assert rows == [
            ["bank-a", "✔", "approves", "not", "posted"],
            ["bank-b", "no", "vote", "posted"],
            ["bank-c", "no", "vote", "of", "an", "earlier", "key,", "made", "anew"],
        ]


async def test_a_report_is_a_table_with_links_and_pages_that_rest_on_one_block(
    world: ConsoleWorld,
) -> None:
    world.audit.rows = 250
    async with world.browser() as browser:
        await browser.login(Role.AUDITOR)
        page = await browser.page("/console/reports/sharing?member=bank-a&from_height=&to_height=")
        assert '<td class="count"><a href="/console/blocks/1">1</a></td>' in page
        assert '<td><a href="/console/members/bank-a">bank-a</a></td>' in page
        assert f'href="/console/records/{"ab" * 32}"' in page
        assert (
            "=&lt;b&gt;1&lt;/b&gt;" in page
            and "1,234" in page
            and "One note &amp; another." in page
        )
        following = re.search(r'href="([^"]+)">Next page', page)
        assert following is not None
        await browser.page(following[1].replace("&amp;", "&"))
        wish = world.audit.wishes[-1]
        assert (wish.after, wish.to_height, wish.member, wish.most) == (100, 7, "bank-a", 100)
        for bad in ("member=A%20B", "after=x", "to_height=-1", "colour=red"):
            await browser.page(f"/console/reports/sharing?{bad}", 400)
        await browser.page("/console/reports/none", 404)
    async with world.browser() as browser:
        await browser.login(Role.ADMIN)
        page = await browser.page("/console/reports/sharing")
        assert "/console/records/" not in page


async def test_files_of_a_report_hold_all_its_rows_or_are_refused(world: ConsoleWorld) -> None:
    world.audit.rows = 2_500
    async with world.browser() as browser:
        await browser.login(Role.AUDITOR)
        answer = await browser.get("/console/reports/sharing/csv")
        assert answer.headers["content-type"] == "text/csv; charset=utf-8"
        assert answer.headers["content-disposition"] == 'attachment; filename="sharing-7.csv"'
        assert answer.headers["cache-control"] == "no-store"
        lines = answer.text.split("\r\n")
        assert len(lines) == 2_502 and ",'=<b>1</b>" in lines[1]
        answer = await browser.get("/console/reports/sharing/json")
        assert len(json.loads(answer.content)["rows"]) == 2_500
        assert (await browser.page("/console/reports/sharing/print")).count("<tr>") == 2_501
        world.audit.rows = 20_001
        page = await browser.page("/console/reports/sharing/csv", 413)
        assert "over 20,000 rows" in page


async def test_the_diagnosis_is_in_words_with_what_to_do(world: ConsoleWorld) -> None:
    world.node.facts = Facts(START_MS, "bank-a", (), 0, 4, 3, START_MS)
    async with world.browser() as browser:
        await browser.login(Role.OPERATOR)
        page = await browser.page("/console/node")
        found = world.node.diagnosis()
        assert str(found.verdict) in page
        for finding in found.findings:
            assert finding.code in page
        assert "Connections, and what each validator said last" in page and "40 ms" in page


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (0, "0 ms"),
        (999, "999 ms"),
        (1_000, "1.0 s"),
        (59_940, "59.9 s"),
        (250_000, "4 min 10 s"),
        (10_920_000, "3 h 2 min"),
        (446_400_000, "5 d 4 h"),
    ],
)
def test_durations_are_said_as_people_say_them(ms: int, text: str) -> None:
    assert duration(ms) == text


async def reported(world: ConsoleWorld) -> str:
    """Id of a record that the fake node took."""
    report = IndicatorReport.from_mapping(PHONE, now_ms=START_MS)
    caller = Caller("reporter", Role.REPORTER)
    (outcome,) = await world.node.report([report], by=caller, wait=Stage.EXECUTED)
    assert outcome.record_id is not None
    return outcome.record_id.hex()
