"""Tests of the executor: the interface, and the order of the jobs."""

from artkit import Job
from artkit.testing import check_executor
from newplugin.newcomponent import NewComponent


def test_is_an_executor() -> None:
    check_executor(NewComponent)


def test_jobs_run_in_order() -> None:
    jobs = [Job(name, "artkit.sample_jobs:count", {"steps": 1}) for name in "abc"]
    with NewComponent(NewComponent.Config()) as executor:
        started = [event.job for event in executor.execute(jobs) if event.kind == "started"]
    assert started == ["a", "b", "c"]
