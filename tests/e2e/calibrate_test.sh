#!/usr/bin/env bash
# Calibrated quantization as a job through the programs: a detector and a classifier at 4 bits, from pictures without
# labels, beside nearest projection; a job whose child is killed ends in the same bits.
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
