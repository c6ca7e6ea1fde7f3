#!/usr/bin/env bash
# Calibrated quantization as a job through the programs: a detector and a classifier at 4 bits, from pictures without
# labels, beside nearest projection; a job whose child is killed ends in the same bits; the same jobs through REST.
#
#   calibrate_test.sh [BIN]        needs LBW_TEST_DATA
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
BIN=${1:-$root/build/bin}
data=${LBW_TEST_DATA:-}
if [[ ! -d $data/facemask_trainval ]]; then
  echo "LBW_TEST_DATA does not name a folder of real data"
  exit 77
fi
# shellcheck source=tests/e2e/lib.sh
source "$root/tests/e2e/lib.sh"
lbw() { "$BIN/lbw" "$@"; }

# measured FILE WHAT KEY: of a job's measurements
measured() {
  python3 -c 'import json, sys
result = json.load(open(sys.argv[1]))
result = result.get("result", result).get("quantization", result)
for one in result["calibration"]["measurements"]:
    if one["what"] == sys.argv[2]: print(one[sys.argv[3]])' "$@"
}
# atleast WHAT GOT LEAST
atleast() {
  python3 -c 'import sys; what, got, least = sys.argv[1], float(sys.argv[2]), float(sys.argv[3])
print(f"   {what}: {got:.4f}, at least {least}")
sys.exit(got < least)' "$@" || fail "$1 is too low"
}
# The process that runs a job: of the server's descendants called run-job the one with the most time on a processor,
# since another waits warm.
working_child() {
  python3 - "$SERVER_PID" <<'PYTHON'
import os, sys
parents = {}
for name in os.listdir("/proc"):
    if not name.isdigit(): continue
    try:
        stat = open(f"/proc/{name}/stat").read().rsplit(")", 1)[1].split()
        words = open(f"/proc/{name}/cmdline").read().split("\0")
    except OSError:
        continue
    parents[int(name)] = (int(stat[1]), int(stat[11]), "run-job" in words)
def below(pid):
    while pid in parents:
        pid = parents[pid][0]
        if pid == int(sys.argv[1]): return True
    return False
found = sorted((ticks, pid) for pid, (_, ticks, runs) in parents.items() if runs and below(pid))
print(found[-1][1] if found else "")
PYTHON
}
bundle_of() { lbw --json model get "$1" | python3 -c 'import json, sys; print(json.load(sys.stdin)["bundle_artifact"])'; }

start_server "$WORK/data" --jobs-backoff=50ms
lbw dataset create masks "$data/facemask_trainval" --map HaveMask=mask,NoMask=no_mask --classes mask,no_mask >/dev/null
onnx=$(find "$data/weights_aizoo_ssd" -name '*.onnx' | head -n 1)
lbw model create aizoo --onnx "$onnx" --spec "$root/server/model/examples/face_mask_ssd.yaml" >/dev/null

echo "A detector at 4 bits, calibrated on 64 pictures"
lbw --json model quantize aizoo --bits 4 --calibrate masks --seed 1 >"$WORK/four.json"
atleast "4 bits, calibrated" "$(measured "$WORK/four.json" calibrated value)" 0.87
atleast "with 8-bit activations" "$(measured "$WORK/four.json" "calibrated, int8 activations" value)" 0.87
atleast "agreement with float" "$(measured "$WORK/four.json" calibrated agreement)" 0.97
nearest=$(measured "$WORK/four.json" nearest value)
atleast "what nearest projection loses" "$(python3 -c "print(1 - $nearest)")" 0.5
lbw model get aizoo/2 >"$WORK/shown.txt"
lbw detect aizoo/2 "$(find "$data/facemask_trainval/JPEGImages" -name '*.jpg' | sort | head -n 1)" >/dev/null

echo "The same job again, its child killed in the middle: the same bits"
job=$(lbw --json model quantize aizoo --bits 4 --calibrate masks --seed 1 --no-measure --no-wait |
  python3 -c 'import json, sys; print(json.load(sys.stdin)["name"].split("/")[-1])')
at_its_middle() {
  layer=$(lbw --json job get "$job" | python3 -c 'import json, sys; print(int(json.load(sys.stdin)["values"].get("layer", 0)))') ||
    fail "the job cannot be read"
  [[ $layer -ge 8 ]]
}
is_paused() {
  state=$(lbw --json job get "$job" | python3 -c 'import json, sys; print(json.load(sys.stdin)["state"])') ||
    fail "the job cannot be read"
  [[ $state == JOB_STATE_PAUSED ]]
}
goes_on() {
  pid=$(working_child) || fail "the processes cannot be read"
  layer=$(lbw --json job get "$job" | python3 -c 'import json, sys
j = json.load(sys.stdin)
print(int(j["values"].get("layer", 0)) if j["state"] == "JOB_STATE_RUNNING" else 0)') || fail "the job cannot be read"
  [[ -n $pid && $layer -ge 10 ]]
}
wait_until at_its_middle || true
[[ $layer -ge 8 && $layer -lt 28 ]] || fail "the job did not get to its middle: layer $layer"
lbw job pause "$job" >/dev/null
wait_until is_paused || fail "the job does not pause: state $state"
lbw job resume "$job" >/dev/null
wait_until goes_on || fail "the job does not go on: layer $layer"
kill -9 "$pid"
lbw job watch "$job" >/dev/null
[[ $(bundle_of aizoo/2) == "$(lbw --json job get "$job" >"$WORK/killed.json" && bundle_of aizoo/3)" ]] || fail "the killed job made other bits"
python3 -c 'import json, sys; j = json.load(open(sys.argv[1])); sys.exit(j["attempts"] < 3)' "$WORK/killed.json" || fail "no attempt was killed"

echo "The same through REST: create, read, list, pause, resume, watch, cancel; and a comparison"
start_gateway
# rest METHOD PATH STATUS [BODY]: the answer into rest.json; its HTTP status must be STATUS.
rest() {
  local got
  got=$(curl -sS -X "$1" -o "$WORK/rest.json" -w '%{http_code}' ${4:+-H 'Content-Type: application/json' -d "$4"} "$HTTP/v1/$2") ||
    fail "$1 $2: no answer"
  [[ $got == "$3" ]] || fail "$1 $2: HTTP status $got, expected $3: $(head -c 400 "$WORK/rest.json")"
}
# rest_has EXPRESSION: of the answer r.
rest_has() {
  python3 -c 'import json, sys
r = json.load(open(sys.argv[1]))
sys.exit(not eval(sys.argv[2]))' "$WORK/rest.json" "$1" || fail "REST: not so: $1: $(head -c 600 "$WORK/rest.json")"
}
# watch JOB: to its end; every line into watch.jsonl.
watch() { curl -sSN --max-time 300 "$HTTP/v1/$1:watch" >"$WORK/watch.jsonl" || fail "the watch of $1 broke off"; }
watched_has() {
  python3 -c 'import json, sys
answers = [json.loads(line)["result"] for line in open(sys.argv[1]) if line.strip()]
events = [event for answer in answers for event in answer.get("events", [])]
job = [answer["job"] for answer in answers if answer.get("job")][-1]
cursors = [int(event["cursor"]) for event in events]
sys.exit(not (eval(sys.argv[2]) and cursors == sorted(set(cursors))))' "$WORK/watch.jsonl" "$1" ||
    fail "watch: not so: $1: $(tail -n 1 "$WORK/watch.jsonl" | head -c 600)"
}
job_is() {
  rest GET "$job" 200
  state=$(json "$WORK/rest.json" state)
  [[ $state == "JOB_STATE_$1" ]]
}
solves() {
  rest GET "$job" 200
  python3 -c 'import json, sys
j = json.load(open(sys.argv[1]))
sys.exit(not (j["state"] == "JOB_STATE_RUNNING" and j["values"].get("layer", 0) >= 3))' "$WORK/rest.json"
}
quantize='"quantize": {"version": "models/aizoo", "options": {"bits": 4}, "calibration": {"dataset": "datasets/masks", "seed": "1"}, "measure": {"skip": true}}'
rest POST jobs 400 '{"spec": {"quantize": {"version": "models/aizoo", "options": {"bits": 4}}}}'
rest_has '"spec.quantize.calibration" in json.dumps(r)'
rest POST jobs 200 "{\"spec\": {$quantize}, \"validate_only\": true}"
rest_has 'r["kind"] == "quantize" and r["estimate"]["memory_bytes"] != "0"'
rest POST jobs 200 "{\"spec\": {$quantize}, \"labels\": {\"by\": \"rest\"}, \"request_id\": \"rest-1\"}"
job=$(json "$WORK/rest.json" name)
rest POST jobs 200 "{\"spec\": {$quantize}, \"labels\": {\"by\": \"rest\"}, \"request_id\": \"rest-1\"}"
[[ $(json "$WORK/rest.json" name) == "$job" ]] || fail "the same request made a second job"
wait_until solves || fail "the job does not solve layers: $(head -c 400 "$WORK/rest.json")"
rest POST "$job:pause" 200 '{}'
wait_until job_is PAUSED || fail "the job does not pause: state $state"
rest GET "$job/checkpoints" 200
rest_has 'len(r["checkpoints"]) >= 1'
rest GET "jobs?filter=kind%20%3D%20quantize%20AND%20label.by%20%3D%20rest" 200
rest_has "len(r[\"jobs\"]) == 1 and r[\"jobs\"][0][\"name\"] == \"$job\" and r[\"jobs\"][0][\"state\"] == \"JOB_STATE_PAUSED\""
rest POST "$job:resume" 200 '{}'
watch "$job"
watched_has 'job["state"] == "JOB_STATE_SUCCEEDED" and any(e.get("progress", {}).get("stage") == "calibrate" for e in events)'
rest GET "$job" 200
rest_has 'r["spec"]["quantize"]["calibration"]["count"] == 64 and len(r["result"]["quantization"]["calibration"]["layers"]) == 28'
made=$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["result"]["quantization"]["version"])' "$WORK/rest.json")
[[ $(bundle_of "aizoo/${made##*/}") == "$(bundle_of aizoo/2)" ]] || fail "the job that REST created made other bits"
rest GET "$job/log" 200
rest POST "$job:pause" 400 '{}'
rest POST jobs 200 "{\"spec\": {$quantize}}"
job=$(json "$WORK/rest.json" name)
wait_until solves || fail "the job does not solve layers: $(head -c 400 "$WORK/rest.json")"
rest POST "$job:cancel" 200 '{}'
watch "$job"
watched_has 'job["state"] == "JOB_STATE_CANCELLED" and "quantization" not in (job.get("result") or {})'
rest POST "$job:resume" 400 '{}'
compare='"compare": {"version": "models/aizoo/versions/2", "dataset": "datasets/masks", "split": "val", "count": 8}'
rest POST jobs 200 "{\"spec\": {$compare}}"
job=$(json "$WORK/rest.json" name)
watch "$job"
watched_has 'job["state"] == "JOB_STATE_SUCCEEDED"'
rest GET "$job" 200
rest_has 'r["result"]["comparison"]["reference"] == "models/aizoo/versions/1" and len(r["result"]["comparison"]["compared"]) == 8 and len(r["result"]["comparison"]["values"]) >= 28'
rest GET "jobs?filter=kind%20%3D%20compare" 200
rest_has 'len(r["jobs"]) == 1'
rest POST jobs 200 "{\"spec\": {$compare}, \"priority\": -5}"
job=$(json "$WORK/rest.json" name)
rest POST "$job:cancel" 200 '{}'
watch "$job"
watched_has 'job["state"] in ("JOB_STATE_CANCELLED", "JOB_STATE_SUCCEEDED")'

echo "A budget of 3 bits a weight"
lbw --json model quantize aizoo --calibrate masks --budget-bytes 380000 --measure-pictures 40 --seed 1 >"$WORK/budget.json"
python3 -c 'import json, sys
result = json.load(open(sys.argv[1]))
result = result.get("result", result).get("quantization", result)
plan = result["calibration"]["plan"]
uniform = [p for p in plan["curve"] if p["what"].startswith("uniform") and int(p["bytes"]) <= 380000 and p.get("measured_error")]
print("   plan", plan["bytes"], plan["measured_error"], "uniform", [(p["what"], p["bytes"], p["measured_error"]) for p in uniform])
assert int(plan["bytes"]) <= 380000
assert all(plan["measured_error"] <= p["measured_error"] for p in uniform)' "$WORK/budget.json" || fail "the plan does not hold its budget"

echo "A classifier at 4 and 3 bits"
lbw dataset create cifar "$data/cifar10_test_share2000" --format cifar \
  --classes airplane,automobile,bird,cat,deer,dog,frog,horse,ship,truck >/dev/null
onnx=$(find "$data/weights_cifar_resnet" -name "*resnet*20*.onnx" | head -n 1)
lbw model create resnet20 --onnx "$onnx" --spec "$root/server/model/examples/cifar_resnet.yaml" >/dev/null
lbw --json model quantize resnet20 --bits 4 --calibrate cifar --images 200 >"$WORK/cifar.json"
atleast "ResNet-20, 4 bits, less its float" "$(python3 -c "print($(measured "$WORK/cifar.json" calibrated value) - $(measured "$WORK/cifar.json" float value))")" -0.02
echo "OK"
