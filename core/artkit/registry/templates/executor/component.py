"""``--executor newcomponent``: jobs in this process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from artkit import Executor, Job, JobEvent


class NewComponent(Executor):
    """Runs jobs in this process, one after the other."""

    name = "newcomponent"

    def execute(self, jobs: Sequence[Job]) -> Iterator[JobEvent]:
        for job in jobs:
            yield from job.run()
