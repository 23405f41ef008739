"""The client against the real API over HTTP: every call, and what its results say."""

from __future__ import annotations

import pytest

from bulwark.client import ApiProblem, BulwarkClient, Stage, TimedOut
from bulwark.client.client import MAX_ROWS, CallInvalid
from bulwark.client.transport import ConnectionInvalid
from tests.consent_terms import TERMS
from tests.unit.api.world import PHONE, QUESTION, World
from tests.unit.client.conftest import QUICK, Serve


async def test_a_report_is_taken_and_known_the_second_time(client: BulwarkClient) -> None:
    first = await client.report(PHONE)
    assert (first.stage, first.height, first.duplicate) == (Stage.EXECUTED, 1, False)
    again = await client.report(PHONE)
    assert again.duplicate and again.record_id == first.record_id


async def test_a_refused_report_names_the_rule(client: BulwarkClient) -> None:
    with pytest.raises(ApiProblem) as caught:
        await client.report({**PHONE, "value": "12"})
    assert (caught.value.status, caught.value.code) == (422, "invalid")
    assert caught.value.errors[0].rule in {"phone.region-needed", "phone.not-a-number"}
    assert caught.value.instance.startswith("urn:bulwark:request:")


async def test_a_batch_counts_rows_and_names_bad_lines(client: BulwarkClient) -> None:
    rows = [PHONE, {**PHONE, "value": "x"}, PHONE, {"kind": "nonsense", "value": "1"}]
    batch = await client.report_many(rows)
    assert (batch.taken, batch.duplicates, batch.refused) == (1, 1, 2)
    assert [row.status for row in batch.rows] == ["taken", "refused", "duplicate", "refused"]
    problem = batch.rows[3].problem
    assert problem is not None and problem.rule == "field.kind"


async def test_encoded_rows_are_sent_as_they_are(client: BulwarkClient, world: World) -> None:
    row = b'{"kind": "phone", "value": "+442079460958", "fraud_type": "imp_bank"}'
    assert (await client.report_many([row])).taken == 1
    assert world.node.seen[0].value == "+442079460958"


@pytest.mark.parametrize("count", [0, MAX_ROWS + 1])
async def test_an_empty_or_too_long_batch_is_not_sent(client: BulwarkClient, count: int) -> None:
    with pytest.raises(CallInvalid):
        await client.report_many([b"{}"] * count)


async def test_a_hit_has_reasons_and_records(client: BulwarkClient) -> None:
    reported = await client.report(PHONE)
    answer = await client.screen(QUESTION)
    assert answer.hit and answer.complete and answer.reasons[0].code == "reported"
    record = answer.records[0]
    assert record.record_id == reported.record_id and record.stage is Stage.EXECUTED
    assert record.fields["fraud_type"] == "imp_bank"
    assert "reporter" not in record.fields


async def test_a_miss_is_no_hit_and_an_incomplete_answer_says_why(
    client: BulwarkClient, world: World
) -> None:
    miss = await client.screen(QUESTION)
    assert (miss.hit, miss.complete) == (False, True)
    world.node.reachable = False
    unsure = await client.screen(QUESTION)
    assert not unsure.complete and unsure.incomplete_reason


async def test_many_questions_are_answered_by_line(client: BulwarkClient) -> None:
    await client.report(PHONE)
    bad = {**QUESTION, "value": "x"}
    batch = await client.screen_many([QUESTION, bad, {**QUESTION, "value": "+442079460959"}])
    assert (batch.answered, batch.hits, batch.refused) == (2, 1, 1)
    hit, refused, miss = batch.rows
    assert hit.answer is not None and hit.answer.hit
    assert refused.answer is None and refused.problem is not None
    assert miss.answer is not None and not miss.answer.hit


async def test_a_consent_is_given_withdrawn_and_shown(client: BulwarkClient) -> None:
    given = await client.give_consent(TERMS)
    assert given.status == "given" and given.withdrawn_height is None
    withdrawn = await client.withdraw_consent(given.consent_id)
    assert withdrawn.status == "withdrawn" and withdrawn.withdrawn_height == 3
    assert await client.consent(given.consent_id) == withdrawn
    with pytest.raises(ApiProblem) as caught:
        await client.withdraw_consent(given.consent_id)
    assert caught.value.status == 409


async def test_record_and_proofs_are_read(client: BulwarkClient) -> None:
    reported = await client.report(PHONE, wait=Stage.FINALIZED)
    record = await client.wait_final(reported.record_id, 5)
    assert record.reporter == "bank-a" and record.stage is Stage.FINALIZED
    assert b"bulwark-record-proof/1" in await client.record_proof(reported.record_id)
    given = await client.give_consent(TERMS, wait=Stage.FINALIZED)
    assert b"bulwark-anchor-proof/1" in await client.consent_proof(given.consent_id)


async def test_a_proof_of_a_record_that_is_not_final_is_a_conflict(client: BulwarkClient) -> None:
    reported = await client.report(PHONE)
    with pytest.raises(ApiProblem) as caught:
        await client.record_proof(reported.record_id)
    assert caught.value.code == "conflict"


async def test_waiting_for_finality_ends_at_its_time(client: BulwarkClient) -> None:
    reported = await client.report(PHONE)
    with pytest.raises(TimedOut) as caught:
        await client.wait_final(reported.record_id, 0.01)
    assert "finality" in str(caught.value)


async def test_blocks_members_and_the_node_are_read(serve: Serve, world: World) -> None:
    url = await serve(world.app)
    async with BulwarkClient(url, world.clear["operator"], retry=QUICK) as client:
        block = await client.block("latest")
        assert block.height == world.chain.tip and (await client.block(block.height)) == block
        assert all(member.id for member in await client.members())
        assert isinstance(await client.node(), dict)
        with pytest.raises(ApiProblem) as caught:
            await client.block(10**9)
        assert caught.value.status == 404


async def test_a_wrong_key_is_told_and_not_repeated(serve: Serve, world: World) -> None:
    async with BulwarkClient(await serve(world.app), "wrong-key", retry=QUICK) as client:
        with pytest.raises(ApiProblem) as caught:
            await client.members()
    assert (caught.value.status, caught.value.code) == (401, "unauthenticated")
    assert "wrong-key" not in str(caught.value)


async def test_one_key_is_one_wish(client: BulwarkClient, world: World) -> None:
    first = await client.report(PHONE, idempotency_key="k1")
    again = await client.report(PHONE, idempotency_key="k1")
    assert first == again and len(world.node.seen) == 1
    with pytest.raises(ApiProblem) as caught:
        await client.report({**PHONE, "confidence": 1}, idempotency_key="k1")
    assert caught.value.code == "idempotency-key-reused"


@pytest.mark.parametrize(
    "url",
    ["", "node:8000", "ftp://node", "http://", "http://u:p@node", "http://node/?k=1"],
)
def test_an_address_that_can_be_none_is_refused(url: str) -> None:
    with pytest.raises(ConnectionInvalid) as caught:
        BulwarkClient(url, "k")
    assert "u:p" not in str(caught.value)


@pytest.mark.parametrize("key", ["", "a b", "ключ", "k" * 129, "k\r\nx: y"])
def test_a_key_that_could_break_a_header_is_refused(key: str) -> None:
    with pytest.raises(ConnectionInvalid):
        BulwarkClient("http://127.0.0.1:1", key)


async def test_the_key_is_in_no_repr(client: BulwarkClient, world: World) -> None:
    shown = f"{client!r} {client._transport!r} {vars(client)!r}"
    assert world.clear["reporter"] not in shown


async def test_an_id_that_could_change_the_path_is_refused_or_quoted(
    client: BulwarkClient,
) -> None:
    with pytest.raises(CallInvalid):
        await client.record("../members")
    with pytest.raises(ApiProblem) as caught:
        await client.consent("../../members")
    assert caught.value.status in (400, 404)
