"""Reports and samples over REST: who may read, the three forms, bounds, and what is escaped."""

from __future__ import annotations

import csv
import io

import pytest

from api import audit_schemas as schemas
from bulwark.audit.report import Basis, Column, Report
from bulwark.audit.sampling import Item, Population, Sample, Seed, Stratum
from bulwark.ledger.ids import Digest, Height, MemberId, RecordId
from node.audit.port import Drawing, ReportTitle, ReportWish, SampleWish
from node.service import NotFound, Role
from tests.unit.api.world import World, problem_of

BASIS = Basis(Height(7), Digest(b"\x01" * 32), 1_700_000_000_000)
REPORT = Report(
    name="sharing",
    title="Sharing register",
    generated_from=BASIS,
    columns=(Column("member", "Member"), Column("records", "Records", "records")),
    rows=(("<script>alert(1)</script>", 3), ("=1+1", None)),
    notes=("A note & more.",),
    next=9,
)
ITEM = Item(4, MemberId("coast"), Height(3), "ab" * 32)
SAMPLE = Sample(
    Population("records", BASIS), Seed(BASIS, Digest(b"\x02" * 32)), (Stratum(None, 10, (ITEM,)),)
)
KEY = b"\x5a" * 32
CASE_KEY = b"\x6b" * 32
CASE_KEYS = f"/v1/audit/case-keys/{KEY.hex()}"
KEYS = f"/v1/audit/ring-keys/{KEY.hex()}"
SHARING, SAMPLES = "/v1/audit/reports/sharing", "/v1/audit/sample?to_height=7"


class Desk:
    """One report and one sample behind the port."""

    def __init__(self) -> None:
        self.wishes: list[ReportWish | SampleWish] = []
        self.is_drawing = False

    def reports(self) -> list[ReportTitle]:
        return [ReportTitle("sharing", "Sharing register")]

    async def report(self, name: str, wish: ReportWish) -> Report:
        if name != "sharing":
            raise NotFound(f"there is no report {name}")
        self.wishes.append(wish)
        return REPORT

    def ring_key_owner(self, key: bytes) -> MemberId | None:
        return MemberId("coast") if key == KEY else None

    def case_key(self, record_id: RecordId) -> bytes:
        if record_id != KEY:
            raise NotFound("this node has no such record")
        return CASE_KEY

    async def sample(self, wish: SampleWish) -> Sample | Drawing:
        self.wishes.append(wish)
        return Drawing(Height(8), 3, 64) if self.is_drawing else SAMPLE


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def scene(desk) -> World:
    return World(audit=desk)


@pytest.mark.parametrize("path", ["/v1/audit/reports", SHARING, SAMPLES, KEYS, CASE_KEYS])
async def test_only_auditors_and_admins_read_reports_and_samples(scene, path) -> None:
    for role in Role:
        answer = await scene.ask("GET", path, role)
        assert (answer.status_code == 200) == (role in {Role.AUDITOR, Role.ADMIN}), role
    problem_of(await scene.ask("GET", path, None), 401, "unauthenticated")


async def test_a_report_is_shown_as_documented_with_what_it_rests_on(scene, desk) -> None:
    asked = "?from_height=2&to_height=7&member=coast&after=5&most=10"
    answer = await scene.ask("GET", SHARING + asked, Role.AUDITOR)
    shown = schemas.AuditReportOut.model_validate_json(answer.content, strict=True)
    assert shown.generated_from.height == 7 and shown.next == 9
    assert Report.from_json(answer.json()) == REPORT
    assert desk.wishes == [
        ReportWish(from_height=2, to_height=Height(7), member=MemberId("coast"), after=5, most=10)
    ]
    listed = await scene.ask("GET", "/v1/audit/reports", Role.AUDITOR)
    schemas.ReportsOut.model_validate_json(listed.content, strict=True)
    problem_of(await scene.ask("GET", "/v1/audit/reports/none", Role.AUDITOR), 404, "not-found")


async def test_a_ring_key_names_its_member_or_nobody(scene) -> None:
    answer = await scene.ask("GET", KEYS, Role.AUDITOR)
    assert schemas.RingKeyOut.model_validate_json(answer.content, strict=True).member == "coast"
    other = await scene.ask("GET", KEYS.replace("5a", "5b"), Role.AUDITOR)
    assert other.json()["member"] is None
    problem_of(await scene.ask("GET", KEYS + "00", Role.AUDITOR), 400, "invalid")


async def test_a_record_is_named_in_any_spelling_that_other_paths_take(scene) -> None:
    answer = await scene.ask("GET", f"/v1/audit/case-keys/0x{KEY.hex().upper()}", Role.AUDITOR)
    assert answer.json() == {"record_id": KEY.hex(), "key": CASE_KEY.hex()}


async def test_every_form_of_a_report_is_in_the_document(scene) -> None:
    document = (await scene.ask("GET", "/v1/openapi.json")).json()
    told = document["paths"]["/v1/audit/reports/{report}"]["get"]["responses"]["200"]["content"]
    for form in ("json", "csv", "html"):
        answer = await scene.ask("GET", f"{SHARING}?format={form}", Role.AUDITOR)
        assert answer.headers["content-type"].partition(";")[0] in told, form


async def test_the_key_of_a_case_is_for_auditors_of_the_record_asked_for(scene) -> None:
    answer = await scene.ask("GET", CASE_KEYS, Role.AUDITOR)
    shown = schemas.CaseKeyOut.model_validate_json(answer.content, strict=True)
    assert (shown.record_id, shown.key) == (KEY.hex(), CASE_KEY.hex())
    other = CASE_KEYS.replace("5a", "5b")
    problem_of(await scene.ask("GET", other, Role.AUDITOR), 404, "not-found")
    problem_of(await scene.ask("GET", CASE_KEYS + "00", Role.AUDITOR), 400, "invalid")


async def test_csv_has_the_same_cells_and_runs_no_formula(scene) -> None:
    answer = await scene.ask("GET", SHARING + "?format=csv", Role.AUDITOR)
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="sharing-7.csv"'
    assert answer.headers["x-next"] == "9"
    rows = list(csv.reader(io.StringIO(answer.text, newline="")))
    assert rows == [["member", "records"], ["<script>alert(1)</script>", "3"], ["'=1+1", ""]]


async def test_the_page_to_print_escapes_every_text_and_loads_and_runs_nothing(scene) -> None:
    answer = await scene.ask("GET", SHARING + "?format=html", Role.AUDITOR)
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    page = answer.text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page and "<script" not in page
    assert "A note &amp; more." in page and "src=" not in page and "http" not in page
    assert "size: A4" in page and BASIS.block_hash.hex() in page and BASIS.time in page


@pytest.mark.parametrize(
    "query",
    [
        "format=pdf",
        "from_height=-1",
        "to_height=x",
        "member=Coast",
        "after=1e3",
        "most=0",
        "most=1001",
        "unknown=1",
        "after=1&after=2",
    ],
)
async def test_a_query_that_is_not_allowed_is_refused(scene, desk, query) -> None:
    answer = await scene.ask("GET", f"{SHARING}?{query}", Role.AUDITOR)
    assert answer.status_code == 400, answer.text
    assert desk.wishes == []


async def test_a_sample_is_shown_as_documented_and_one_in_the_making_says_how_far_it_is(
    scene, desk
) -> None:
    asked = f"{SAMPLES}&population=anchors&size=5&member=coast&by_member=true"
    answer = await scene.ask("GET", asked, Role.AUDITOR)
    assert answer.status_code == 200
    shown = schemas.SampleOut.model_validate_json(answer.content, strict=True)
    assert shown.open_request == {"coast": ["ab" * 32]} and shown.state == "drawn"
    assert desk.wishes == [
        SampleWish(
            population="anchors",
            to_height=Height(7),
            size=5,
            member=MemberId("coast"),
            by_member=True,
        )
    ]
    desk.is_drawing = True
    answer = await scene.ask("GET", SAMPLES, Role.AUDITOR)
    assert answer.status_code == 202
    shown = schemas.SampleOut.model_validate_json(answer.content, strict=True)
    assert (shown.state, shown.done, shown.stages, shown.seed_block) == ("drawing", 3, 64, 8)


@pytest.mark.parametrize("query", ["", "to_height=7&size=0", "to_height=7&population=tags"])
async def test_a_sample_without_a_block_or_of_no_population_is_refused(scene, query) -> None:
    answer = await scene.ask("GET", f"/v1/audit/sample?{query}", Role.AUDITOR)
    assert answer.status_code == 400, answer.text
