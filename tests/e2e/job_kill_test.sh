#!/usr/bin/env bash
# kill -9 of children, workers and servers at random moments over a queue of evaluations: every job succeeds exactly once, with the
# result of an undisturbed run.
#
#   job_kill_test.sh [BIN [ROUNDS]]                  default build/bin, 20 rounds; SEED=N repeats a run
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
BIN=${1:-$root/build/bin}
rounds=${2:-20}
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
[[ -x $BIN/lbw-demo-assets ]] || { echo "lbw-demo-assets is not built"; exit 77; }
"$BIN/lbw-demo-assets" "$WORK/discs" 192 480 7 >/dev/null
python3 "$root/tests/e2e/job_soak.py" --bin "$BIN" --work "$WORK" --rounds "$rounds" --seed "${SEED:-$RANDOM}"
