# Shared by the demo and the end-to-end tests: a server and a gateway on free ports in a temporary folder, stopped on exit.
#
# Expects BIN (the folder of the programs). Sets WORK, GRPC, ADMIN and, after start_gateway, HTTP.
# shellcheck shell=bash
WORK=$(mktemp -d)
PIDS=()

stop_all() {
  local pid
  for pid in "${PIDS[@]:-}"; do
    if [[ -n $pid ]] && kill "$pid" 2>/dev/null; then wait "$pid" 2>/dev/null || true; fi
  done
  rm -rf "$WORK"
}
trap stop_all EXIT

fail() {
  echo "FAILED: $*" >&2
  exit 1
}

# Waits until FILE is there, while process PID lives; at most 30 s.
wait_for_file() {
  local file=$1 pid=$2 tries
  for ((tries = 0; tries < 300; tries++)); do
    [[ -s $file ]] && return 0
    kill -0 "$pid" 2>/dev/null || return 1
    read -rt 0.1 <> <(:) || true
  done
  return 1
}

# wait_until COMMAND [ARGUMENT...]: until the command says yes, asked 600 times, 50 ms apart. Within the command a
# failure that is to end the test calls fail: set -e has no effect there.
wait_until() {
  local tries
  for ((tries = 0; tries < 600; tries++)); do
    "$@" && return 0
    read -rt 0.05 <> <(:) || true
  done
  return 1
}

# start_server DATA_DIR [FLAG...]: the server's process id is in SERVER_PID. Listens on LISTEN, or on a free port.
start_server() {
  local data=$1
  shift
  rm -f "$WORK/ports.json"
  "$BIN/lbw-server" serve --data-dir "$data" --listen "${LISTEN:-127.0.0.1:0}" --admin 127.0.0.1:0 \
    --port-file "$WORK/ports.json" "$@" >>"$WORK/server.log" 2>&1 &
  SERVER_PID=$!
  PIDS+=("$SERVER_PID")
  wait_for_file "$WORK/ports.json" "$SERVER_PID" || { cat "$WORK/server.log" >&2; fail "the server did not start"; }
  GRPC=127.0.0.1:$(json "$WORK/ports.json" grpc)
  # shellcheck disable=SC2034
  ADMIN=127.0.0.1:$(json "$WORK/ports.json" admin)
  export LBW_SERVER=$GRPC
}

start_gateway() {
  "$BIN/lbw-gateway" --server "$GRPC" --listen 127.0.0.1:0 --port-file "$WORK/http.json" >>"$WORK/gateway.log" 2>&1 &
  local pid=$!
  PIDS+=("$pid")
  wait_for_file "$WORK/http.json" "$pid" || { cat "$WORK/gateway.log" >&2; fail "the gateway did not start"; }
  # shellcheck disable=SC2034
  HTTP=http://127.0.0.1:$(json "$WORK/http.json" http)
}

# json FILE KEY: one value of a flat JSON object.
json() {
  python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))[sys.argv[2]])' "$1" "$2"
}
