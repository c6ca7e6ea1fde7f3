#!/usr/bin/env python3
"""Kills children, workers and servers at random over jobs that train, and checks what is left.

  train_soak.py --bin DIR --work DIR --rounds N --seed S

Trains a small detector in float and on the grid, undisturbed; then again and again with kills until N kills hit a child
that was training. Every job must succeed once, and the bundle that it made must have the bytes of the undisturbed one.
"""

import collections
import subprocess
import sys
import time

from job_soak import child_of, children_of, fail, is_running, read_only, send, soak, wait_until

SPEC = '{"input": {"size": [64, 64]}, "classes": ["disc", "square", "triangle", "ring", "cross", "star"]}\n'
COMMON = ["--dataset", "scenes", "--batch", "8", "--epochs", "3", "--threads", "2", "--checkpoint-steps", "4", "--device", "cpu",
          "--no-wait"]
KINDS = {  # name -> the command
    "train": ["train", "shapes/1", *COMMON, "--seed", "3"],
    "fine_tune, 2 bits": ["finetune", "shapes/1", *COMMON, "--bits", "2", "--images", "16", "--seed", "4"],
    "fine_tune, 4 bits": ["finetune", "shapes/1", *COMMON, "--bits", "4", "--images", "16", "--seed", "5"],
}


def prepare(service, work):
    subprocess.run([service.bin / "lbw-make-scenes", "--out", work / "scenes", "--train", "96", "--val", "16", "--width", "96",
                    "--height", "96", "--max-shapes", "3", "--min-size", "0.2", "--seed", "11"], check=True, stdout=subprocess.DEVNULL)
    (work / "shapes.json").write_text(SPEC)
    service.keep_running()
    service.lbw("dataset", "create", "scenes", work / "scenes")
    service.lbw("model", "create", "shapes", "--arch", "ssd_tiny", "--width-multiplier", "0.25", "--seed", "1", "--spec",
                work / "shapes.json")


def create(service, kind, request):
    return service.lbw(*KINDS[kind], "--request-id", request)["name"].split("/")[-1]


def state_of(database, job):
    return database.execute("SELECT state FROM jobs WHERE id = ?", (job,)).fetchone()[0]


def bundle_of(service, job):
    state = service.lbw("job", "get", job)
    if state["state"] != "JOB_STATE_SUCCEEDED":
        fail(f"{job} is {state['state']}: {state.get('error')}")
    version = state["result"]["training"]["version"]
    if not state["result"]["training"]["training"]["bit_exact"]:
        fail(f"{job} says that it is not bit-exact")
    return service.lbw("model", "get", version.removeprefix("models/").replace("/versions/", "/"))["bundle_artifact"]


def training(database, job):
    """Worker, step and newest checkpoint of a job that runs, also before it trains; None where it does not, or ends."""
    row = database.execute(
        "SELECT j.worker, j.step, j.total_steps, c.step FROM jobs j LEFT JOIN job_checkpoints c ON c.job = j.id AND "
        "c.sha256 = j.checkpoint WHERE j.id = ? AND j.state = 'RUNNING' AND j.worker <> ''", (job,)).fetchone()
    return row if row and row[2] and row[1] < row[2] else None


def kill(service, database, job, rng):
    """One kill -9 while the job trains. Returns what was hit, or None where it had ended."""
    def found():
        service.keep_running()
        return training(database, job) or state_of(database, job) not in ("QUEUED", "RUNNING")
    row = wait_until("a job that trains", found, 120)
    if row is True:
        return None
    time.sleep(rng.uniform(0.0, 0.6))
    worker = service.worker_of(database, row[0])
    target = rng.choice(["child", "child", "child", "worker", "server"])
    pid = service.server.pid if target == "server" else worker
    if target == "child" and worker:
        pid = child_of(worker) or rng.choice([p for p in children_of(worker) if is_running(p, "run-job")] or [None])
    if pid is None or not send(pid, 9):
        return None
    if pid == service.server.pid:
        service.server.wait()
    if service.worker.pid == pid:
        service.worker.wait()
    service.keep_running()
    return target


def work(service, options, rng):
    prepare(service, options.work)
    database = read_only(service)
    expected = {}
    for i, kind in enumerate(KINDS):
        job = create(service, kind, f"undisturbed-{i}")
        wait_until(kind, lambda: state_of(database, job) not in ("QUEUED", "RUNNING"), 300)
        expected[kind] = bundle_of(service, job)
    hits, jobs, start = collections.Counter(), 0, time.monotonic()
    while sum(hits.values()) < options.rounds:
        kind = list(KINDS)[jobs % len(KINDS)]
        job = create(service, kind, f"job-{jobs}")
        jobs += 1
        for _ in range(rng.randint(1, 3)):
            if sum(hits.values()) == options.rounds:
                break
            hit = kill(service, database, job, rng)
            if hit is None:
                break
            hits[hit] += 1
        wait_until(f"the end of {job}", lambda: (service.keep_running(), state_of(database, job) not in (
            "QUEUED", "RUNNING", "PAUSING"))[1], 300)
        if bundle_of(service, job) != expected[kind]:
            fail(f"{job} ({kind}) made another bundle than the undisturbed run")
    for target, count in sorted(hits.items()):
        print(f"  {count:4d} x {target} while its job trained")
    print(f"{jobs} jobs, {sum(hits.values())} kills in {time.monotonic() - start:.0f} s")


def main():
    soak(__doc__, 5, work)
    print("every job made the bundle of its undisturbed run, bit for bit")


if __name__ == "__main__":
    sys.exit(main())
