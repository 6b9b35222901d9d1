"""CronJobs against a real API server, and their schedules as tables."""

import datetime

import pytest

from pybernetes.api import cron
from pybernetes.apimachinery import timestamps
from pybernetes.controllers.cronjob import schedule

NAME = "cronjob-controller"
KIND = "batch/v1/CronJob"
JOB = "batch/v1/Job"


def cron_job(cluster, text="*/5 * * * *", **spec):
    template = {"spec": {"template": cluster.template({}, restartPolicy="Never")}}
    about = {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "c"}}
    return {**about, "spec": {"schedule": text, "jobTemplate": template, **spec}}


async def jobs(cluster):
    return sorted(one["metadata"]["name"] for one in await cluster.list_all(JOB))


async def finish(cluster, name, kind="Complete"):
    now = timestamps.format_time(cluster.clock.now())
    target = {"Complete": "SuccessCriteriaMet", "Failed": "FailureTarget"}[kind]
    done = [{"type": one, "status": "True", "lastTransitionTime": now} for one in (target, kind)]
    status = {"conditions": done, "startTime": now}
    if kind == "Complete":
        status["completionTime"] = now
    await cluster.patch(JOB, name, {"status": status}, subresource="status")


async def test_makes_a_job_when_due(cluster):
    await cluster.run(NAME)
    made = await cluster.apply(cron_job(cluster, timeZone="Asia/Tokyo"))
    await cluster.settle(290)
    assert await jobs(cluster) == []
    await cluster.settle(15)
    minutes = int(datetime.datetime(2026, 1, 1, 0, 5, tzinfo=datetime.UTC).timestamp()) // 60
    assert await jobs(cluster) == [f"c-{minutes}"]
    job = await cluster.get(JOB, f"c-{minutes}")
    assert job["metadata"]["annotations"] == {
        "batch.kubernetes.io/cronjob-scheduled-timestamp": "2026-01-01T09:05:00+09:00"
    }
    assert job["metadata"]["ownerReferences"] == [cluster.owner(made, controller=True, blockOwnerDeletion=True)]
    status = (await cluster.get(KIND, "c"))["status"]
    assert status["lastScheduleTime"] == "2026-01-01T00:05:00Z"
    assert [one["name"] for one in status["active"]] == [f"c-{minutes}"]
    assert ("SuccessfulCreate", f"Created job c-{minutes}") in await cluster.events("c")
    await finish(cluster, f"c-{minutes}")
    await cluster.settle(1)
    status = (await cluster.get(KIND, "c"))["status"]
    assert "active" not in status
    assert status["lastSuccessfulTime"]
    assert ("SawCompletedJob", f"Saw completed job: c-{minutes}, condition: Complete") in await cluster.events("c")


@pytest.mark.parametrize(("concurrency", "count"), [("Allow", 3), ("Forbid", 1), ("Replace", 1)])
async def test_concurrency(cluster, concurrency, count):
    await cluster.run(NAME)
    await cluster.apply(cron_job(cluster, concurrencyPolicy=concurrency))
    await cluster.settle(910)
    found = [one for one in await cluster.list_all(JOB) if "deletionTimestamp" not in one["metadata"]]
    assert len(found) == count


async def test_old_jobs_are_removed(cluster):
    await cluster.run(NAME)
    await cluster.apply(cron_job(cluster, successfulJobsHistoryLimit=1, failedJobsHistoryLimit=0))
    for kind in ("Complete", "Complete", "Failed"):
        await cluster.settle(300)
        for job in await cluster.list_all(JOB):
            if "conditions" not in job.get("status", {}):
                await finish(cluster, job["metadata"]["name"], kind)
        await cluster.settle(1)
    found = [one for one in await cluster.list_all(JOB) if "deletionTimestamp" not in one["metadata"]]
    assert len(found) == 1
    assert "SuccessfulDelete" in [reason for reason, _ in await cluster.events("c")]


async def test_suspended_makes_nothing(cluster):
    await cluster.run(NAME)
    await cluster.apply(cron_job(cluster, suspend=True))
    await cluster.settle(1000)
    assert await jobs(cluster) == []


async def test_after_a_long_absence_only_the_latest_is_made(cluster):
    await cluster.apply(cron_job(cluster))
    await cluster.settle(3700)
    await cluster.run(NAME)
    await cluster.settle(1)
    (job,) = await cluster.list_all(JOB)
    assert job["metadata"]["annotations"]["batch.kubernetes.io/cronjob-scheduled-timestamp"] == "2026-01-01T01:00:00Z"


async def test_too_late_is_told(cluster):
    await cluster.apply(cron_job(cluster, "0 * * * *", startingDeadlineSeconds=10))
    await cluster.settle(3700)
    await cluster.run(NAME)
    await cluster.settle(1)
    assert await jobs(cluster) == []


def at(text):
    return datetime.datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("text", "after", "expected"),
    [
        ("* * * * *", "2026-01-01T00:00:30Z", "2026-01-01T00:01:00Z"),
        ("*/15 * * * *", "2026-01-01T00:14:59Z", "2026-01-01T00:15:00Z"),
        ("*/15 * * * *", "2026-01-01T00:15:00Z", "2026-01-01T00:30:00Z"),
        ("5-10/2,50 3 * * *", "2026-01-01T03:09:00Z", "2026-01-01T03:50:00Z"),
        ("20/35 * * * *", "2026-01-01T00:20:00Z", "2026-01-01T00:55:00Z"),
        ("0 0 31 * *", "2026-01-31T00:00:00Z", "2026-03-31T00:00:00Z"),
        ("0 0 29 FEB ?", "2026-01-01T00:00:00Z", "2028-02-29T00:00:00Z"),
        ("0 0 30 2 *", "2026-01-01T00:00:00Z", None),
        ("0 12 * * MON-FRI", "2026-01-02T12:00:00Z", "2026-01-05T12:00:00Z"),
        ("0 0 13 * FRI", "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"),
        ("0 0 13 * FRI", "2026-01-09T00:00:00Z", "2026-01-13T00:00:00Z"),
        ("0 0 */5 * FRI", "2026-01-02T00:00:00Z", "2026-01-06T00:00:00Z"),
        ("@hourly", "2026-01-01T00:00:00Z", "2026-01-01T01:00:00Z"),
        ("@weekly", "2026-01-01T00:00:00Z", "2026-01-04T00:00:00Z"),
        ("@yearly", "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z"),
        ("@every 1m30s", "2026-01-01T00:00:00.5Z", "2026-01-01T00:01:30Z"),
        ("TZ=Asia/Tokyo 0 9 * * *", "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"),
        ("CRON_TZ=America/New_York 30 2 * * *", "2026-03-08T00:00:00Z", "2026-03-09T06:30:00Z"),
        ("CRON_TZ=America/New_York 30 * * * *", "2026-11-01T05:30:00Z", "2026-11-01T06:30:00Z"),
    ],
)
def test_next(text, after, expected):
    assert cron.parse(text).next(at(after)) == (at(expected) if expected else None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("* * * *", r"expected exactly 5 fields, found 4: \[\* \* \* \*\]"),
        ("60 * * * *", r"end of range \(60\) above maximum \(59\): 60"),
        ("* * 0 * *", r"beginning of range \(0\) below minimum \(1\): 0"),
        ("5-3 * * * *", r"beginning of range \(5\) beyond end of range \(3\): 5-3"),
        ("*/0 * * * *", "step of range should be a positive number"),
        ("a * * * *", "failed to parse int from a"),
        ("@sometimes", "unrecognized descriptor: @sometimes"),
        ("TZ=Nowhere/Land * * * * *", "unknown time zone Nowhere/Land"),
    ],
)
def test_what_is_no_schedule(text, message):
    with pytest.raises(cron.ScheduleError, match=message):
        cron.parse(text)


def test_missed():
    every = cron.parse("*/10 * * * *")
    start = at("2026-01-01T00:00:00Z")
    assert schedule.most_recent(every, start, at("2026-01-01T00:09:00Z")).latest is None
    assert schedule.most_recent(every, start, at("2026-01-01T00:11:00Z")).latest == at("2026-01-01T00:10:00Z")
    late = schedule.most_recent(every, start, at("2026-01-02T00:05:00Z"))
    assert late.latest == at("2026-01-02T00:00:00Z")
    assert late.many
