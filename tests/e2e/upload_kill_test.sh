#!/usr/bin/env bash
# kill -9 of the server at random moments of an upload: it goes on each time from what was committed, ends with the right SHA-256,
# and leaves nothing behind.
#
#   upload_kill_test.sh [BIN [MIB [KILLS]]]          default build/bin, 128 MiB, 4 kills
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
BIN=${1:-$root/build/bin}
# shellcheck source=tests/e2e/lib.sh
source "$root/tests/e2e/lib.sh"
mib=${2:-128}
kills=${3:-4}
seed=${SEED:-$RANDOM}
RANDOM=$seed
echo "upload of $mib MiB, $kills kills, SEED=$seed"

head -c "$((mib * 1024 * 1024))" /dev/urandom >"$WORK/payload.bin"
sum=$(sha256sum "$WORK/payload.bin" | cut -d' ' -f1)
start_server "$WORK/data"
port=${GRPC##*:}
"$BIN/lbw" artifact upload "$WORK/payload.bin" >"$WORK/upload.txt" 2>&1 &
client=$!
PIDS+=("$client")

committed() { # of the unfinished upload, from the rows' files
  local file
  file=$(find "$WORK/data/uploads" -type f 2>/dev/null | head -n 1)
  if [[ -n $file ]]; then stat -c %s "$file" 2>/dev/null || echo 0; else echo 0; fi
}

done_kills=0
while ((done_kills < kills)) && kill -0 "$client" 2>/dev/null; do
  # Waits until a random part of the next share has arrived, then kills.
  share=$((mib * 1024 * 1024 / (kills + 1)))
  target=$((done_kills * share + RANDOM * share / 32768 + 1))
  while kill -0 "$client" 2>/dev/null && (($(committed) < target)); do read -rt 0.005 <> <(:) || true; done
  kill -0 "$client" 2>/dev/null || break
  kill -9 "$SERVER_PID"
  wait "$SERVER_PID" 2>/dev/null || true
  done_kills=$((done_kills + 1))
  echo "  kill $done_kills at about $(($(committed) / 1048576)) MiB"
  LISTEN=127.0.0.1:$port start_server "$WORK/data"
done
wait "$client" || { cat "$WORK/upload.txt" >&2; fail "the upload did not survive"; }
((done_kills >= kills)) || fail "only $done_kills of $kills kills came before the end"
grep -q "$sum" "$WORK/upload.txt" || { cat "$WORK/upload.txt" >&2; fail "another SHA-256 than $sum"; }
"$BIN/lbw" artifact download "$sum" --out "$WORK/back.bin" >/dev/null
cmp "$WORK/payload.bin" "$WORK/back.bin" || fail "other bytes came back"
# A worker's slot stays: its id is what a worker that comes back is known by.
left=$(find "$WORK/data" -type f ! -path '*/workers/*' ! -name '*.db' ! -name '*.db-wal' ! -name '*.db-shm' ! -name 'lock' ! -name '*.lock' ! -name "$sum" | wc -l)
((left == 0)) || { find "$WORK/data" -type f >&2; fail "$left files were left behind"; }
echo "the upload survived $done_kills kills"
