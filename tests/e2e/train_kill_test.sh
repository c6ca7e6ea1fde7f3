#!/usr/bin/env bash
# kill -9 of children, workers and servers while jobs train: what they make has the bytes of undisturbed runs.
#
#   train_kill_test.sh [BIN [ROUNDS]]                default build/bin, 5 rounds; SEED=N repeats a run
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
BIN=${1:-$root/build/bin}
rounds=${2:-5}
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
[[ -x $BIN/lbw-make-scenes ]] || { echo "lbw-make-scenes is not built"; exit 77; }
python3 "$root/tests/e2e/train_soak.py" --bin "$BIN" --work "$WORK" --rounds "$rounds" --seed "${SEED:-$RANDOM}"
