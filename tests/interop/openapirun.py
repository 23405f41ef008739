"""Passes of schemathesis over one running node: who asks what, which checks are on, what was seen.

A pass gives each operation one key. The first gives the key of the first role that the document
names for it (`x-roles`) and goes through every phase of schemathesis; the following ones give the
other roles in turn, and the last one a role that may not, where every answer has to be a refusal.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import schemathesis
from schemathesis.config import SchemathesisConfig
from schemathesis.core.failures import AcceptedNegativeData
from schemathesis.core.parameters import ParameterLocation
from schemathesis.engine import Status, events, from_schema
from schemathesis.engine.recorder import CheckNode, ScenarioRecorder
from schemathesis.engine.run import PhaseName
from schemathesis.openapi.checks import RejectedPositiveData

ROLES: Final = ("reporter", "analyst", "operator", "auditor", "admin")
REFUSALS: Final = (
    "400",
    "401",
    "403",
    "404",
    "405",
    "406",
    "408",
    "409",
    "410",
    "413",
    "415",
    "422",
)
BUSY: Final = ("429", "503", "504")
TAKEN: Final = ("2xx", "403", "404", "406", "409", "410", "422", *BUSY)
"""What a request that fits the document may come to. Not 400: what the document calls well formed
is read; whether its values are allowed (a number that nobody can have) is for the handler, 422."""
REQUEST_S: Final = 60.0
CASES_A_STEP: Final = 4
TOLD: Final = 1_500
"""Most characters that are kept of what a check said."""
NOBODY: Final = "nobodys-key"
NOWHERE: Final = "https://receiver.invalid/events"
FILES: Final = ("text/csv", "application/x-ndjson", "application/vnd.apache.parquet")
SPEAKS_400: Final = {
    "/taxii2/": "TAXII 2.1 answers 400 to a filter that names nothing",
    "/consent-info/": "CAMARA answers 400 to every argument that it can not use",
    "/batches": "the document can not say what is in a file; one that can not be read is 400",
    "POST /v1/screening-jobs": "as for /batches",
    "GET /v1/audit/consistency": "the document can not say that `first` is not over `second`",
}
"""Parts of the names of operations that may answer 400 to what the document calls well formed."""
_ENVELOPE: Final = "POST /rpc"
WAIVED: Final = {
    _ENVELOPE: "JSON-RPC answers 200 with an error object to what it does not understand",
    "files": "any bytes are a file's; what is in it the document can not say",
    **SPEAKS_400,
}
Key = Callable[[str], str]
"""The clear key of a role."""


@schemathesis.serializer("application/vnd.apache.parquet", "application/x-ndjson", "text/csv")
def file_of(context: Any, value: Any) -> bytes:
    """Files are bytes to schemathesis."""
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "replace")


@dataclass
class Fault:
    """One thing that an operation did and the document does not allow."""

    operation: str
    check: str
    told: str
    curl: str
    """How to send it again; keys are masked."""
    times: int = 1


@dataclass
class Seen:
    """What came of one operation in all passes."""

    cases: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    checks: Counter[str] = field(default_factory=Counter)
    roles: set[str] = field(default_factory=set)


@dataclass
class Ledger:
    """What all passes saw."""

    operations: dict[str, Seen] = field(default_factory=dict)
    faults: dict[tuple[str, str, str], Fault] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    """What kept schemathesis from testing something."""
    secrets: list[str] = field(default_factory=list)
    """Texts that no line may show."""

    def of(self, operation: str) -> Seen:
        """The entry of one operation."""
        return self.operations.setdefault(operation, Seen())

    def fault(self, operation: str, check: str, told: str, curl: str) -> None:
        """Note what should not be; the first of a kind is kept, the others are counted."""
        told = self.masked(told)[:TOLD]
        known = self.faults.get((operation, check, told))
        if known is None:
            self.faults[operation, check, told] = Fault(operation, check, told, self.masked(curl))
        else:
            known.times += 1

    def masked(self, text: str) -> str:
        """A text without any secret."""
        for secret in self.secrets:
            text = text.replace(secret, "[a key]")
        return text


def operations_of(document: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Operations of an OpenAPI document by `METHOD /path`, as schemathesis calls them."""
    return {
        f"{method.upper()} {path}": operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


def casts(document: Mapping[str, Any]) -> list[dict[str, str]]:
    """Passes: which role asks each operation; of a role that no other pass needs there is none.

    The last one names, where there is one, a role that the operation does not let in. An operation
    that is open to all is asked by an analyst.
    """
    allowed = {
        name: [role for role in ROLES if role in operation["x-roles"]] or ["analyst"]
        for name, operation in operations_of(document).items()
    }
    found = []
    for turn in range(len(ROLES)):
        cast = {name: roles[turn] for name, roles in allowed.items() if turn < len(roles)}
        if cast:
            found.append(cast)
    refused = {}
    for name, operation in operations_of(document).items():
        others = [role for role in ROLES if role not in operation["x-roles"]]
        if operation["x-roles"] and others:
            refused[name] = others[0]
    return [*found, refused]


def settings_of(
    base_url: str, *, examples: int, seed: int, whole: bool, edges: bool
) -> SchemathesisConfig:
    """Configuration of a pass; a `whole` one has every phase, another only random requests.

    `edges`: with the boundary values of each schema and undeclared methods.
    """
    stated = {"enabled": whole}
    return SchemathesisConfig.from_dict(
        {
            "seed": seed,
            "base-url": base_url,
            "workers": 1,
            "continue-on-failure": True,
            "request-timeout": REQUEST_S,
            "suppress-health-check": ["all"],
            "warnings": False,
            "cache": {"enabled": False},
            "generation": {"max-examples": examples, "database": "none", "no-shrink": True},
            "checks": {
                "not_a_server_error": {"expected-statuses": ["2xx", "3xx", "4xx", *BUSY]},
                "negative_data_rejection": {"expected-statuses": [*REFUSALS, *BUSY]},
                "positive_data_acceptance": {"expected-statuses": list(TAKEN)},
                "missing_required_header": {"expected-statuses": list(REFUSALS)},
            },
            "phases": {
                "examples": stated,
                "coverage": {"enabled": edges},
                "fuzzing": {"enabled": True},
                "stateful": {**stated, "max-steps": CASES_A_STEP},
            },
        }
    )


class Pass:
    """One engine run of schemathesis with one cast of keys."""

    def __init__(
        self,
        document: Mapping[str, Any],
        cast: Mapping[str, str],
        key: Key,
        ledger: Ledger,
        config: SchemathesisConfig,
        *,
        refuses: bool = False,
    ) -> None:
        """`cast`: role by operation; where the pass `refuses`, every answer has to be a refusal."""
        self._cast = cast
        self._ledger = ledger
        self._refuses = refuses
        self.schema = schemathesis.openapi.from_dict(dict(document), config=config).include(
            func=lambda context: context.operation.label in cast
        )

        @self.schema.auth(refresh_interval=None)
        class ByOperation:
            """The key of the role that this pass gives to the operation."""

            def get(self, case: Any, context: Any) -> str:
                return key(cast[case.operation.label])

            def set(self, case: Any, data: str, context: Any) -> None:
                case.headers = dict(case.headers or {})
                case.headers["Authorization"] = f"Bearer {data}"

        @self.schema.hook
        def filter_failure(context: Any, failure: Any, case: Any, response: Any) -> bool:
            """Whether a failure counts: not one of a check that does not apply."""
            name = case.operation.label
            if isinstance(failure, RejectedPositiveData):
                told = [part for part in SPEAKS_400 if part in name]
                # schemathesis also takes a null of an earlier answer for the id of something.
                nulls = [v for v in (case.path_parameters or {}).values() if v in (None, "null")]
                return response.status_code != 400 or not (told or nulls)
            if isinstance(failure, AcceptedNegativeData):
                where = case.meta.phase.data.parameter_location if case.meta is not None else None
                is_file = where is ParameterLocation.BODY and case.media_type in FILES
                return name != _ENVELOPE and not is_file
            return True

    def run(self) -> Iterator[str]:
        """Send everything; yields the name of each phase and operation that is done."""
        schemathesis.hook(before_call)  # of the process: nothing smaller has it
        try:
            yield from self._events()
        finally:
            schemathesis.hooks.unregister(before_call)

    def _events(self) -> Iterator[str]:
        for event in from_schema(self.schema).execute():
            if isinstance(event, events.ScenarioFinished):
                self._take(event.recorder)
                yield f"{event.phase.value} {event.label or ''}".strip()
            elif isinstance(event, events.NonFatalError):
                self._ledger.errors.append(f"{event.label}: {event.value!r}")
            elif isinstance(event, events.FatalError):
                self._ledger.errors.append(f"schemathesis: {event.exception!r}")
            elif isinstance(event, events.PhaseFinished) and event.phase.name in _REPORTED:
                yield f"{event.phase.name.value} done: {event.status.value}"

    def _take(self, recorder: ScenarioRecorder) -> None:
        for case_id, node in recorder.cases.items():
            name = node.value.operation.label
            seen = self._ledger.of(name)
            interaction = recorder.interactions.get(case_id)
            if interaction is None:
                continue
            seen.cases += 1
            seen.roles.add(self._cast[name])
            response = interaction.response
            if response is None:
                self._ledger.fault(name, "answer", "no answer came", _curl(node.value))
                continue
            seen.statuses[response.status_code] += 1
            if self._refuses and response.status_code < 400:
                told = f"{self._cast[name]} may not, and got {response.status_code}"
                self._ledger.fault(name, "role", told, _curl(node.value))
        for case_id, checks in recorder.checks.items():
            name = recorder.cases[case_id].value.operation.label
            for check in checks:
                self._ledger.of(name).checks[check.name] += 1
                self._note(name, check)

    def _note(self, name: str, check: CheckNode) -> None:
        if check.status is Status.ERROR:
            self._ledger.errors.append(f"{name}: the check {check.name} broke")
        if check.failure_info is None:
            return
        failure = check.failure_info.failure
        self._ledger.fault(name, check.name, str(failure), check.failure_info.code_sample)


_REPORTED: Final = (
    PhaseName.EXAMPLES,
    PhaseName.COVERAGE,
    PhaseName.FUZZING,
    PhaseName.STATEFUL_TESTING,
)


def before_call(context: Any, case: Any, kwargs: Any) -> None:
    """Keeps requests from ending the run, and the node from asking hosts that nobody named.

    schemathesis reads the list of API keys and would revoke those that it asks with; and every
    address of a webhook leads nowhere (RFC 2606).
    """
    parameters = case.path_parameters
    if isinstance(parameters, dict) and parameters.get("key_id") in ROLES and case.method != "GET":
        parameters["key_id"] = NOBODY
    is_valid = case.meta is None or case.meta.generation.mode.is_positive
    is_webhook = is_valid and case.path.startswith("/v1/webhooks")
    if is_webhook and isinstance(case.body, dict) and "url" in case.body:
        case.body["url"] = NOWHERE


def _curl(case: Any) -> str:
    return str(case.as_curl_command())


def as_json(ledger: Ledger) -> str:
    """What was seen, for machines."""
    found = {
        name: {
            "cases": seen.cases,
            "statuses": {str(status): times for status, times in sorted(seen.statuses.items())},
            "roles": sorted(seen.roles),
        }
        for name, seen in sorted(ledger.operations.items())
    }
    faults = [vars(fault) for fault in ledger.faults.values()]
    return json.dumps({"operations": found, "faults": faults, "errors": ledger.errors}, indent=1)
