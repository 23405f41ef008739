"""Every list of the shared folder that holds indicators is known, and its rows are taken."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from node.importing.catalogue import Catalogue
from node.importing.check import LocalCheck
from node.importing.importer import Importer
from node.importing.journal import Journal
from node.importing.plan import FilePlan, LeftOut, Wishes, plan_import
from tests.unit.node.importing.fakes import NOW_MS, no_sleep

ROOT = Path(__file__).resolve().parents[4]
DATA = Path(os.environ.get("BULWARK_TEST_DATA") or ROOT / ".." / "shared" / "data")
pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif(
        not DATA.is_dir(),
        reason="no folder of real lists: set BULWARK_TEST_DATA or put shared/data beside the tree",
    ),
]

LISTS = {
    "phones/ftc_dnc_complaints_2019-12-16.csv": 0.90,
    "phones/disposable_numbers.csv": 0.99,
    "phones/ch_telemarketing_numbers.csv": 0.99,
    "phones/tr_spam_numbers.csv": 1.0,
    "domains/polkadot_phishing_domains.csv": 0.99,
    "domains/scamsniffer_domains.csv": 0.99,
    "reports/etherscamdb_reports.csv": 0.99,
    "links/scamsniffer_domain_address.csv": 0.99,
    "links/polkadot_site_address.csv": 0.90,
    "wallets/graphsense_abuse_addresses.csv": 0.99,
    "wallets/ofac_sanctioned_addresses.csv": 1.0,
    "wallets/scamsniffer_addresses.csv": 1.0,
    "emails/scammer_emails.csv": 1.0,
    "emails/antispam_it_emails.csv": 1.0,
    "emails/sefinek_spam_senders.csv": 1.0,
    "emails/disposable_email_domains.csv": 1.0,
    "ips/ipsum_blacklisted_ips.csv": 1.0,
    "urls/urls_from_misp_events.csv": 0.99,
    "ibans/iban_examples.csv": 0.80,
}
"""List to the least share of its indicators that is well formed."""
NO_INDICATORS = {
    "phones/libphonenumber_examples.csv",
    "domains/polkadot_allowed_domains.csv",
    "domains/etherscamdb_legit_urls.csv",
    "wallets/graphsense_exchange_addresses.csv",
    "graph/amlsim_20K_cycle200_nodes.csv",
    "graph/amlsim_20K_cycle200_transactions.csv",
}


@pytest.fixture(scope="module")
def plans() -> dict[str, FilePlan | LeftOut]:
    return {plan.name: plan for plan in plan_import(DATA, Wishes(), Catalogue.load())}


def test_the_folder_is_known_to_its_last_list(plans: dict[str, FilePlan | LeftOut]) -> None:
    left_out = {name for name, plan in plans.items() if isinstance(plan, LeftOut)}
    assert left_out == NO_INDICATORS
    assert plans.keys() - left_out == LISTS.keys()
    assert all(plan.expected for plan in plans.values() if isinstance(plan, LeftOut))


@pytest.mark.parametrize("name", LISTS)
async def test_the_rows_of_a_list_are_well_formed(
    plans: dict[str, FilePlan | LeftOut], name: str
) -> None:
    plan = plans[name]
    assert isinstance(plan, FilePlan)
    journal = Journal(None, "r", "t")
    importer = Importer(LocalCheck(NOW_MS), journal, now_ms=NOW_MS, sleep=no_sleep)
    summary = await importer.run(plan)
    assert summary.complete and not summary.failed
    assert summary.taken + summary.duplicates >= LISTS[name] * summary.indicators
    assert not any(rule.startswith("field.") for rule in summary.refused), summary.refused.keys()
