#!/bin/bash
# Generates the gateway's code from ../../proto and builds it.
#
#   build.sh OUTPUT       generate, then build the program as OUTPUT
#   build.sh --generate   generate only (what `go test` and `go vet` need)
#   build.sh --test       generate, then gofmt, go vet and go test
#
# LBW_TOOLS_DIR   where docker/install-deps put protos, plug-ins and perhaps Go (default: .tools of the checkout)
# LBW_JOBS        compilers at once (default 2)
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
tools=${LBW_TOOLS_DIR:-$root/.tools}
jobs=${LBW_JOBS:-2}

usage() {
  sed -n '2,9s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
}

die() {
  echo "build.sh: $*" >&2
  exit 1
}

find_tools() {
  [[ -x $tools/go/bin/go ]] && export PATH="$tools/go/bin:$PATH"
  command -v go >/dev/null || die "no Go: put one on PATH or in $tools/go (docker/install-deps does)"
  command -v protoc >/dev/null || die "no protoc: install protobuf-compiler"
  [[ -f $tools/protos/google/api/annotations.proto ]] ||
    die "no $tools/protos/google/api/annotations.proto: run docker/install-deps"
  local plugin
  for plugin in protoc-gen-go protoc-gen-go-grpc protoc-gen-grpc-gateway protoc-gen-openapiv2; do
    [[ -x $tools/bin/$plugin ]] || die "no $tools/bin/$plugin: run docker/install-deps"
  done
  export GOTOOLCHAIN=local GOFLAGS="-mod=readonly -buildvcs=false" CGO_ENABLED=0
}

# Everything is written beside gen/ and then takes its place, so that a failed run leaves the old code whole.
generate() {
  local new="$here/gen.$$"
  trap 'rm -rf "'"$new"'"' EXIT
  mkdir -p "$new/openapi"
  (cd "$root/proto" && protoc -I . -I "$tools/protos" \
    --plugin="$tools/bin/protoc-gen-go" --go_out="$new" --go_opt=module=lbwserve/gen \
    --plugin="$tools/bin/protoc-gen-go-grpc" --go-grpc_out="$new" --go-grpc_opt=module=lbwserve/gen \
    --plugin="$tools/bin/protoc-gen-grpc-gateway" \
    --grpc-gateway_out="$new" --grpc-gateway_opt=module=lbwserve/gen \
    --plugin="$tools/bin/protoc-gen-openapiv2" --openapiv2_out="$new/openapi" \
    --openapiv2_opt=allow_merge=true,merge_file_name=lbw,json_names_for_fields=false \
    --openapiv2_opt=openapi_naming_strategy=simple,disable_default_errors=true \
    --openapiv2_opt=expand_slashed_path_patterns=true \
    lbw/v1/*.proto)
  mv "$new/openapi/lbw.swagger.json" "$new/openapi/generated.json"
  if diff -rq "$new" "$here/gen" >/dev/null 2>&1; then
    rm -rf "$new"
  else
    rm -rf "$here/gen"
    mv "$new" "$here/gen"
  fi
  trap - EXIT
}

version() {
  sed -n 's/^project(lbw_serve VERSION \([0-9.]*\).*/\1/p' "$root/CMakeLists.txt"
}

build() {
  local output
  mkdir -p "$(dirname "$1")"
  output=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
  cd "$here"
  go build -p "$jobs" -trimpath -ldflags "-s -w -X main.version=$(version)" -o "$output" ./cmd/lbw-gateway
}

run_tests() {
  cd "$here"
  local unformatted
  unformatted=$(gofmt -l cmd internal ./*.go)
  [[ -z $unformatted ]] || die "gofmt would change: $unformatted"
  go vet -p "$jobs" ./...
  go test -p "$jobs" ./...
}

case ${1:-} in
  -h | --help)
    usage
    ;;
  --generate)
    find_tools
    generate
    ;;
  --test)
    find_tools
    generate
    run_tests
    ;;
  "" | -*)
    usage >&2
    exit 2
    ;;
  *)
    find_tools
    generate
    build "$1"
    ;;
esac
