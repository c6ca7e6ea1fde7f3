#!/usr/bin/env python3
"""Kills children, workers and servers at random over a queue of evaluations, and checks what is left.

  job_soak.py --bin DIR --work DIR --rounds N --seed S      WORK/discs holds what lbw-demo-assets made

Says how many kills hit which state, and fails unless every job succeeded exactly once with the result of an undisturbed
run, and at least half of the kills surely hit a running child between two checkpoints: its process was stopped, the
database said of its job, under the same lease, that a checkpoint was behind it and pictures before it, and what followed
the kill was the end of that lease without a result. Seven of ten kills are aimed at that; the others hit children,
workers and servers at any moment.
"""

import argparse
import collections
import json
import math
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

FLAGS = ["--jobs-lease=3s", "--jobs-backoff=50ms", "--log-level=warning"]
SPECS = [  # version, pictures, against
    (1, 192, None), (2, 192, None), (3, 176, 1), (1, 128, 2), (2, 160, 1), (3, 144, None)]
CHECKPOINT_EVERY = 8
AIMED = 0.7  # share of the kills that are aimed at a child between two checkpoints
# A worker records what its child said every 200 ms, and looks at least as often: after twice that, the rows say how far
# a stopped child had come.
RECORDED_AFTER = 0.45
INSIDE = "running, between two checkpoints"


def fail(message):
    print(f"FAILED: {message}", file=sys.stderr)
    sys.exit(1)


def wait_until(what, condition, seconds=60.0):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.005)
    fail(f"waited {seconds:.0f} s for {what}")
    return None


def children_of(pid):
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except OSError:
        return []
    found = [int(word) for word in text.split()]
    # Threads other than the first may have started some.
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            found += [int(w) for w in Path(f"/proc/{pid}/task/{task}/children").read_text().split()]
    except OSError:
        pass
    return sorted(set(found))


def is_running(pid, word):
    try:
        return word in Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    except OSError:
        return False


class Service:
    """A server with one worker of its own, and a worker beside it, on one data folder."""

    def __init__(self, binaries, work):
        self.bin, self.work, self.data = binaries, work, work / "data"
        self.server = self.worker = None
        self.log = open(work / "log.txt", "ab")

    def start_server(self):
        ports = self.work / "ports.json"
        ports.unlink(missing_ok=True)
        self.server = subprocess.Popen(
            [self.bin / "lbw-server", "serve", f"--data-dir={self.data}", "--listen=127.0.0.1:0", "--admin=127.0.0.1:0",
             f"--port-file={ports}", "--workers=1", *FLAGS], stdout=self.log, stderr=self.log, start_new_session=True)
        wait_until("the server", lambda: ports.exists() and ports.stat().st_size > 0 or self.server.poll() is not None)
        if self.server.poll() is not None:
            fail(f"the server ended with {self.server.returncode}: {(self.work / 'log.txt').read_text()[-2000:]}")
        self.address = f"127.0.0.1:{json.loads(ports.read_text())['grpc']}"

    def start_worker(self):
        self.worker = subprocess.Popen(
            [self.bin / "lbw-server", "worker", f"--data-dir={self.data}", "--worker-admin=127.0.0.1:0", *FLAGS],
            stdout=self.log, stderr=self.log, start_new_session=True)

    def keep_running(self):
        if self.server is None or self.server.poll() is not None:
            self.start_server()
        if self.worker is None or self.worker.poll() is not None:
            self.start_worker()

    def workers(self):
        found = [self.worker.pid] if self.worker.poll() is None else []
        return found + [p for p in children_of(self.server.pid) if is_running(p, "worker")]

    def worker_of(self, database, worker_id):
        row = database.execute("SELECT pid FROM workers WHERE id = ?", (worker_id,)).fetchone()
        return row[0] if row and is_running(row[0], "worker") else None

    def stop(self):
        for process in (self.worker, self.server):
            if process and process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in (self.worker, self.server):
            if process:
                process.wait(timeout=60)

    def lbw(self, *arguments):
        """The answer of a command as JSON; tried again while a server is away."""
        command = [self.bin / "lbw", "--json", *arguments]
        for _ in range(40):
            self.keep_running()
            done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "LBW_SERVER": self.address})
            if done.returncode == 0:
                return json.loads(done.stdout) if done.stdout.strip() else {}
            if "UNAVAILABLE" not in done.stderr:
                break
            time.sleep(0.1)
        fail(f"{' '.join(map(str, command))}: {done.stderr}")
        return None


def write_voc(discs, folder):
    """The scenes of lbw-demo-assets as a VOC folder."""
    for name in ("Annotations", "JPEGImages", "ImageSets/Main"):
        (folder / name).mkdir(parents=True)
    names = []
    truth = json.loads((discs / "truth.json").read_text())
    for file, boxes in sorted((scene["image"], scene["boxes"]) for scene in truth):
        names.append(Path(file).stem)
        shutil.copy(discs / "scenes" / file, folder / "JPEGImages" / file)
        objects = "".join(
            f"<object><name>{box['label']}</name><difficult>0</difficult><bndbox>" + "".join(
                f"<{key}>{round(value)}</{key}>" for key, value in zip(("xmin", "ymin", "xmax", "ymax"), box["box"])) +
            "</bndbox></object>" for box in boxes)
        (folder / "Annotations" / f"{names[-1]}.xml").write_text(
            f"<annotation><filename>{file}</filename>{objects}</annotation>")
    (folder / "ImageSets/Main/val.txt").write_text("\n".join(names) + "\n")


def result_of(job):
    """What has to be equal: everything but names, times and speeds."""
    evaluation = dict(job["result"]["evaluation"])
    for key in ("name", "job", "create_time", "timings"):
        evaluation.pop(key, None)
    return json.dumps(evaluation, sort_keys=True)


def create(service, spec, request):
    version, pictures, against = spec
    arguments = ["evaluate", f"discs/{version}", "--dataset", "discs", "--no-wait", "--request-id", request,
                 "--max-pictures", str(pictures), "--checkpoint-pictures", str(CHECKPOINT_EVERY)]
    if against:
        arguments += ["--against", f"discs/{against}"]
    return service.lbw(*arguments)["name"].split("/")[-1]


def prepare(service, work):
    service.keep_running()
    service.lbw("model", "create", "discs", "--onnx", work / "discs/discs.onnx", "--spec", work / "discs/discs.yaml")
    service.lbw("model", "quantize", "discs", "--bits", "6")
    service.lbw("model", "quantize", "discs", "--bits", "4")
    write_voc(work / "discs", work / "voc")
    service.lbw("dataset", "create", "discs", work / "voc")


ACTIVE = "('QUEUED', 'RUNNING', 'PAUSING', 'CANCELLING')"
Leased = collections.namedtuple("Leased", "job worker token state step total checkpoint_step")


def leased(database, job=None):
    """The jobs that a worker has, or the one."""
    return [Leased(*row) for row in database.execute(
        "SELECT j.id, j.worker, j.lease_token, j.state, j.step, j.total_steps, c.step FROM jobs j LEFT JOIN job_checkpoints c "
        "ON c.job = j.id AND c.sha256 = j.checkpoint WHERE j.worker <> '' AND (? IS NULL OR j.id = ?)", (job, job)).fetchall()]


def is_inside(row):
    """Whether the rows say that its child is between two checkpoints."""
    return (row.state == "RUNNING" and row.checkpoint_step is not None and row.total is not None and
            row.checkpoint_step <= row.step < row.total)


def describe(row):
    """The state that a kill perhaps hits, in words: it may be another by the time of the kill. row: None where no lease."""
    if row is None:
        return "idle"
    if row.state != "RUNNING":
        return row.state.lower()
    if row.checkpoint_step is None:
        return "running, before the first checkpoint"
    return "running, after the last picture" if row.total and row.step >= row.total else "running, somewhere"


def child_of(worker):
    """The process of a busy worker's job; None where it has none, or more than that one."""
    found = [pid for pid in children_of(worker) if is_running(pid, "run-job")]
    return found[0] if len(found) == 1 else None


def is_stopped(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "T"
    except OSError:
        return None


def send(pid, number):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


def kill_inside(service, database, rng):
    """Kills the child of a job between two checkpoints. Returns what is killed and how, or None where it did not fit."""
    def candidates():
        service.keep_running()
        return [row for row in leased(database) if is_inside(row) and row.step + CHECKPOINT_EVERY < row.total]
    before = rng.choice(wait_until("a job between two checkpoints", candidates))
    time.sleep(rng.uniform(0.0, 0.1))  # so that kills do not follow checkpoints
    worker = service.worker_of(database, before.worker)
    child = child_of(worker) if worker else None
    if child is None or not send(child, signal.SIGSTOP):
        return None
    wait_until("a stopped child", lambda: is_stopped(child) is not False)
    time.sleep(RECORDED_AFTER)
    now = next(iter(leased(database, before.job)), None)
    fits = (now is not None and is_inside(now) and (now.worker, now.token) == (before.worker, before.token) and
            child_of(worker) == child and is_stopped(child))
    if not fits or not send(child, signal.SIGKILL):
        send(child, signal.SIGCONT)
        return None
    # The attempt ends without a result: had the child said its last word before it was stopped, the job would succeed.
    def after():
        service.keep_running()
        row = database.execute("SELECT state, worker, lease_token FROM jobs WHERE id = ?", (before.job,)).fetchone()
        return row if (row[1], row[2]) != (now.worker, now.token) else None
    state, _, token = wait_until("the end of the killed attempt", after)
    sure = state == "QUEUED" or token > now.token
    return ("child", INSIDE if sure else f"its attempt was {state.lower()} all the same")


def kill_anything(service, database, rng):
    """One kill -9 at a random moment, of anything. Returns (target, state), or None where the target was gone."""
    target = rng.choice(["child", "worker", "server"])
    time.sleep(rng.uniform(0.0, 0.9))
    row = rng.choice(leased(database) or [None])
    pid = service.server.pid
    if target != "server":
        pid = service.worker_of(database, row.worker) if row else rng.choice(service.workers() or [None])
    if target == "child" and pid:
        pid = rng.choice([p for p in children_of(pid) if is_running(p, "run-job")] or [None])
    if pid is None or not send(pid, signal.SIGKILL):
        return None
    if pid == service.server.pid:
        service.server.wait()
    if service.worker.pid == pid:
        service.worker.wait()
    return (target, describe(row))


def plan(rounds, rng):
    """Which kills are aimed, in random order."""
    aimed = math.ceil(AIMED * rounds)
    kinds = [kill_inside] * aimed + [kill_anything] * (rounds - aimed)
    rng.shuffle(kinds)
    return kinds


def kill_all(service, database, rng, rounds):
    """Rounds of kills over a queue that is kept filled. Returns the jobs with their specs, and kills by (target, state)."""
    jobs, states = {}, collections.Counter()
    for kill in plan(rounds, rng):
        hit = None
        while hit is None:
            while database.execute(f"SELECT COUNT(*) FROM jobs WHERE state IN {ACTIVE}").fetchone()[0] < 4:
                spec = rng.choice(SPECS)
                jobs[create(service, spec, f"job-{len(jobs)}")] = spec
            hit = kill(service, database, rng)
            service.keep_running()
        states[hit] += 1
    return jobs, states


def report(jobs, states, attempts, seconds):
    """Prints what was hit. At least half must have been a running child between two checkpoints."""
    kills = sum(states.values())
    for (target, state), count in sorted(states.items()):
        print(f"  {count:4d} x {target:<6} {state}")
    inside = states["child", INSIDE]
    print(f"{len(jobs)} jobs, {attempts} attempts, {kills} kills in {seconds:.0f} s; {inside} of them ({100 * inside // kills} %) "
          "surely of a running child between two checkpoints")
    if inside * 2 < kills:
        fail(f"only {inside} of {kills} kills surely hit a child between two checkpoints")


def check(database, jobs, service, expected):
    for job, spec in jobs.items():
        state = service.lbw("job", "get", job)
        if state["state"] != "JOB_STATE_SUCCEEDED":
            fail(f"{job} is {state['state']}: {state.get('error')}")
        if result_of(state) != expected[spec]:
            fail(f"{job} {spec} has another result than undisturbed:\n{result_of(state)}\n{expected[spec]}")
    for what, sql in (("evaluations", "SELECT job, COUNT(*) FROM evaluations GROUP BY job"),
                      ("successes", "SELECT job, COUNT(*) FROM job_events WHERE is_state = 1 AND json LIKE '%SUCCEEDED%' GROUP BY job")):
        counts = dict(database.execute(sql).fetchall())
        wrong = {job: counts.get(job, 0) for job in jobs if counts.get(job, 0) != 1}
        if wrong:
            fail(f"not exactly one of {what}: {wrong}")


def soak(doc, rounds, work):
    """Parses a soak's options and does work(service, options, rng) with a service, which ends whatever happens."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=rounds)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    print(f"{options.rounds} rounds, SEED={options.seed}", flush=True)
    service = Service(options.bin, options.work)
    try:
        work(service, options, random.Random(options.seed))
        service.stop()
    finally:
        for process in (service.worker, service.server):
            if process and process.poll() is None:
                process.kill()


def read_only(service):
    return sqlite3.connect(f"file:{service.data}/lbw.db?mode=ro", uri=True, isolation_level=None)


def work(service, options, rng):
    prepare(service, options.work)
    database = read_only(service)
    expected = {}
    for i, spec in enumerate(SPECS):
        job = create(service, spec, f"undisturbed-{i}")
        wait_until(job, lambda: database.execute("SELECT state FROM jobs WHERE id = ?", (job,)).fetchone()[0] not in
                   ("QUEUED", "RUNNING"), 120)
        state = service.lbw("job", "get", job)
        if state["state"] != "JOB_STATE_SUCCEEDED":
            fail(f"undisturbed, {spec} is {state['state']}: {state.get('error')}")
        expected[spec] = result_of(state)
    start = time.monotonic()
    jobs, states = kill_all(service, database, rng, options.rounds)
    wait_until("the rest of the jobs", lambda: (service.keep_running(), database.execute(
        f"SELECT COUNT(*) FROM jobs WHERE state IN {ACTIVE}").fetchone()[0] == 0)[1], 600)
    seconds = time.monotonic() - start
    check(database, jobs, service, expected)
    attempts = database.execute("SELECT SUM(attempts) FROM jobs").fetchone()[0]
    report(jobs, states, attempts, seconds)


def main():
    soak(__doc__, 20, work)
    print("every job succeeded exactly once, with the result of an undisturbed run")


if __name__ == "__main__":
    main()
