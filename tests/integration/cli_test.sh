#!/usr/bin/env bash
# The command line against a control plane without nodes: needs neither root nor containers.
# Prints `ok`, `skip` or `fail` lines; exit code 1 if anything failed.
set -uo pipefail
ingot=${1:-build/release/ingot}
INGOT_DATA=$(mktemp -d); export INGOT_DATA
trap '"$ingot" down >/dev/null 2>&1; rm -rf "$INGOT_DATA"' EXIT
failed=0
check() {  # check WHAT EXPECTED-CODE PATTERN COMMAND…
  local what=$1 code=$2 pattern=$3 out; shift 3
  out=$("$@" 2>&1); local got=$?
  if [[ $got -eq $code && $out =~ $pattern ]]; then echo "ok $what"; else
    echo "fail $what: exit $got, expected $code and \"$pattern\": $out"; failed=1
  fi
}
check "no factory is one clear line" 1 "no factory is running" "$ingot" tenant list
check "status without a factory exits 3" 3 "no factory is running" "$ingot" status
check "down without a factory is no fault" 0 "no factory is running" "$ingot" down
check "wrong usage exits 2" 2 "" "$ingot" frobnicate
check "a bad address is named" 1 "is not ADDRESS:PORT" "$ingot" up --gpus none --listen nowhere
check "up returns once it answers" 0 "factory ready in" "$ingot" up --gpus none --listen 127.0.0.1:0 --detach
check "a second up is refused" 1 "is in use by ingot" "$ingot" up --gpus none --listen 127.0.0.1:0 --detach
address=$("$ingot" status -o json | python3 -c 'import json,sys; print(json.load(sys.stdin)["address"])')
check "a port in use is one clear line" 1 "in use by another program" \
  "$ingot" up --gpus none --listen "$address" --data "$INGOT_DATA/other"
check "a tenant is created" 0 "tenant vision created in" "$ingot" tenant create vision --gpus 8
check "a tenant is created once" 1 "already exists" "$ingot" tenant create vision
check "a bad name is refused" 1 "Invalid value" "$ingot" tenant create Bad_Name
check "tenants are listed" 0 "vision +8" "$ingot" tenant list
check "an unknown tenant has no kubeconfig" 1 "not found" "$ingot" tenant kubeconfig nobody
check "usage is empty at first" 0 "TENANT" "$ingot" usage
if command -v kubectl >/dev/null; then
  KUBECONFIG=$("$ingot" tenant kubeconfig vision --user ada); export KUBECONFIG
  check "kubectl works unmodified" 0 "default" kubectl get namespaces
else
  echo "skip kubectl works unmodified: no kubectl"
fi
check "a tenant is deleted" 0 "tenant vision deleted" "$ingot" tenant delete vision
check "down stops it" 0 "factory stopped" "$ingot" down
exit $failed
