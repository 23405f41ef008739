"""Runs tests against mutants, each in a forked process of its own.

Rules: inside a function the changed code is put in the place of the function's; a change outside
of functions is compiled into the module when it is imported, before any test is. Tests are
collected once. A mutant meets the tests that call its function, those of its own file first, until
one fails. CPU time and memory of a mutant are bounded, so a program without an end counts as
killed. Results do not depend on how many run at once.
"""

from __future__ import annotations

import importlib
import importlib.machinery
import importlib.util
import inspect
import json
import os
import resource
import selectors
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

import pytest
from hypothesis import Phase, settings

from tests.mutation.operators import Mutant
from tests.mutation.targets import LEFT_OUT, Target

ROOT = Path(__file__).resolve().parents[2]
CPU_SECONDS = 30
"""Most that one mutant's tests may take beyond three times what they take without it."""
MEMORY_BYTES = 4 << 30
KILLED, SURVIVED, TIMED_OUT = "killed", "survived", "timed out"
Calls = dict[str, list[int]]


@dataclass(frozen=True)
class Outcome:
    """What became of a mutant, and which test killed it."""

    mutant: Mutant
    state: str
    test: str = ""


@dataclass(frozen=True)
class Job:
    """Work for a forked process: what it writes is its result, a CPU bound kills it."""

    mutant: Mutant
    work: Callable[[], str]
    seconds: int


class Collected:
    """A pytest plugin: instead of the tests it runs `work` on the collected ones."""

    def __init__(self, work: Callable[[Collected, list[pytest.Item]], None]) -> None:
        self._work = work
        self.failed = ""

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Take the place of pytest's own loop."""
        items = [i for i in session.items if not any(name in i.nodeid for name in LEFT_OUT)]
        self._work(self, items)
        return True

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Remember the first failure."""
        if report.failed and not self.failed:
            self.failed = report.nodeid

    def run(self, items: Sequence[pytest.Item]) -> Iterator[int]:
        """Run these tests one by one until one fails."""
        for place, item in enumerate(items):
            following = items[place + 1] if place + 1 < len(items) else None
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            yield place
            if self.failed:
                return


def settle_hypothesis() -> None:
    """The same examples every time, and no search for a smaller one."""
    settings.register_profile(
        "mutation",
        derandomize=True,
        database=None,
        deadline=None,
        phases=(Phase.explicit, Phase.generate),
        suppress_health_check=list(settings().suppress_health_check),
    )
    settings.load_profile("mutation")


def pytest_main(paths: Sequence[str], *plugins: object, more: Sequence[str] = ()) -> int:
    """pytest inside this process, without cache, coverage or output capture."""
    flags = ["-p", "no:cacheprovider", "-p", "no:randomly", "--capture=no", "-q", *more]
    return int(pytest.main([*flags, *(str(ROOT / path) for path in paths)], list(plugins)))


# -- processes -----------------------------------------------------------------------------------


def forked(work: Callable[[], str], seconds: int) -> tuple[int, int]:
    """Start `work` in a silent process; returns its id and where its result is read."""
    reader, writer = os.pipe()
    process = os.fork()
    if process:
        os.close(writer)
        return process, reader
    status = 1
    try:
        signal.setitimer(signal.ITIMER_PROF, seconds)
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
        silence = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silence, 1)
        os.dup2(silence, 2)
        with os.fdopen(writer, "w") as pipe:
            try:
                pipe.write(work())
                status = 0
            except Exception:  # ours, not a test's: pytest catches those
                pipe.write(traceback.format_exc())
    finally:
        os._exit(status)


def finished(process: int, reader: int) -> tuple[str, int]:
    """Wait for a process: what it wrote, and its exit status as `os.wait` gives it."""
    with os.fdopen(reader) as pipe:
        text = pipe.read()
    return text, os.waitpid(process, 0)[1]


def run_jobs(jobs: Sequence[Job], width: int) -> Iterator[Outcome]:
    """Run jobs, `width` at a time; a result is the name of the test that failed, or empty."""
    waiting = list(reversed(jobs))
    with selectors.DefaultSelector() as running:
        while waiting or running.get_map():
            while waiting and len(running.get_map()) < width:
                job = waiting.pop()
                process, reader = forked(job.work, job.seconds)
                running.register(reader, selectors.EVENT_READ, (job, process))
            for key, _ in running.select():
                running.unregister(key.fd)
                job, process = key.data
                text, status = finished(process, key.fd)
                yield Outcome(job.mutant, *_verdict(text, status))


def _verdict(text: str, status: int) -> tuple[str, str]:
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGPROF:
        return TIMED_OUT, ""
    if os.WIFSIGNALED(status):
        return KILLED, f"ended by signal {os.WTERMSIG(status)}"
    if status:
        raise RuntimeError(text or "a process ended without a word")
    return (KILLED, text) if text else (SURVIVED, "")


# -- changes inside functions ----------------------------------------------------------------------


def run_in_functions(
    mutants: Sequence[Mutant],
    targets: Sequence[Target],
    paths: Sequence[str],
    width: int,
    done: Callable[[Outcome], None],
) -> None:
    """Collect once, measure who calls what, then fork a process for each mutant."""
    owners = {target.file: target for target in targets}

    def work(plugin: Collected, items: list[pytest.Item]) -> None:
        calls, seconds = _measure(plugin, items, targets)
        jobs = []
        for mutant in mutants:
            chosen = calls.get(f"{mutant.file} {mutant.function}", [])
            own = owners[mutant.file].tests
            ranked = sorted(chosen, key=lambda i: (not items[i].nodeid.startswith(own), i))
            limit = CPU_SECONDS + 3 * int(sum(seconds[i] for i in chosen))
            tests = [items[i] for i in ranked]
            jobs.append(Job(mutant, _in_function(plugin, mutant, owners, tests), limit))
        for outcome in run_jobs(jobs, width):
            done(outcome)

    pytest_main(paths, Collected(work))


def _in_function(
    plugin: Collected, mutant: Mutant, owners: dict[str, Target], items: list[pytest.Item]
) -> Callable[[], str]:
    def work() -> str:
        module = importlib.import_module(owners[mutant.file].module)
        function = _function(module, mutant.function)
        function.__code__ = code_of(mutant.compile(), mutant.function)
        for _ in plugin.run(items):
            pass
        return plugin.failed

    return work


def _function(module: ModuleType, name: str) -> FunctionType:
    found: Any = module
    for part in name.split("."):
        found = vars(found)[part]
    found = getattr(found, "__func__", getattr(found, "fget", found))
    found = inspect.unwrap(found)
    if not isinstance(found, FunctionType):
        raise TypeError(f"{name} is no function")
    return found


def code_of(module: CodeType, name: str) -> CodeType:
    """The code of the function of this name in a compiled module."""
    parts = [constant for constant in module.co_consts if isinstance(constant, CodeType)]
    for part in parts:
        if part.co_qualname == name:
            return part
        if name.startswith(part.co_qualname + "."):
            return code_of(part, name)
    raise LookupError(name)


def _measure(
    plugin: Collected, items: list[pytest.Item], targets: Sequence[Target]
) -> tuple[Calls, list[float]]:
    """Which tests call which function, and how long each takes; all must pass."""
    files = {str(ROOT / target.file): target.file for target in targets}

    def work() -> str:
        calls: dict[str, set[int]] = {}
        seconds: list[float] = []
        place = 0

        def profile(frame: Any, event: str, argument: object) -> None:
            code = frame.f_code
            if event == "call" and code.co_filename in files:
                name = code.co_qualname.partition(".<locals>")[0]
                calls.setdefault(f"{files[code.co_filename]} {name}", set()).add(place)

        began = time.process_time()
        sys.setprofile(profile)
        for done in plugin.run(items):
            seconds.append(time.process_time() - began)
            began, place = time.process_time(), done + 1
        sys.setprofile(None)
        found = {name: sorted(places) for name, places in calls.items()}
        return json.dumps([plugin.failed, found, seconds])

    text, status = finished(*forked(work, 3_600))
    if status:
        raise RuntimeError(text)
    failed, calls, seconds = json.loads(text)
    if failed:
        raise SystemExit(f"{failed} fails without any mutant")
    return calls, seconds


# -- changes outside functions --------------------------------------------------------------------


class Changed(importlib.machinery.SourceFileLoader):
    """Loads a module from changed code."""

    code: CodeType

    def get_code(self, fullname: str) -> CodeType:
        """The changed code instead of the file's."""
        return self.code


class Finder:
    """Finds one module before anybody else does."""

    def __init__(self, target: Target, code: CodeType) -> None:
        self._target = target
        self._code = code

    def find_spec(self, name: str, path: object = None, target: object = None) -> Any:
        """The changed module's spec; None for all others."""
        if name != self._target.module:
            return None
        loader = Changed(name, str(ROOT / self._target.file))
        loader.code = self._code
        return importlib.util.spec_from_loader(name, loader)


def run_in_modules(
    mutants: Sequence[Mutant],
    targets: Sequence[Target],
    width: int,
    done: Callable[[Outcome], None],
) -> None:
    """Fork a process for each mutant that imports the changed module and runs its own tests."""
    owners = {target.file: target for target in targets}
    loaded = [target.module for target in targets if target.module in sys.modules]
    if loaded:
        raise SystemExit(f"{loaded} imported before it was changed")
    jobs = [Job(m, _in_module(m, owners[m.file]), 4 * CPU_SECONDS) for m in mutants]
    for outcome in run_jobs(jobs, width):
        done(outcome)


def _in_module(mutant: Mutant, target: Target) -> Callable[[], str]:
    def work() -> str:
        sys.meta_path.insert(0, Finder(target, mutant.compile()))  # type: ignore[arg-type]
        plugin = Collected(lambda this, items: [None for _ in this.run(items)] and None)
        code = pytest_main(target.tests, plugin, more=["-x"])
        if code in (pytest.ExitCode.USAGE_ERROR, pytest.ExitCode.NO_TESTS_COLLECTED):
            raise RuntimeError(f"no tests in {target.tests}")
        return plugin.failed or ("" if code == 0 else "the module can not be imported")

    return work
