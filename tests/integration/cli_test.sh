#!/usr/bin/env bash
# The command line against a control plane with hollow nodes: needs neither root nor containers.
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

pod() {  # pod NAME GPUS SECONDS [PRODUCT]
  cat <<YAML
apiVersion: v1
kind: Pod
metadata: {name: $1, annotations: {ingot.dev/hollow: '{"runSeconds": $3}'}}
spec:
  restartPolicy: Never
  terminationGracePeriodSeconds: 1
  nodeSelector: {${4:+nvidia.com/gpu.product: "$4"}}
  containers: [{name: c, image: train:1, resources: {requests: {cpu: 2, memory: 4Gi}, limits: {nvidia.com/gpu: $2}}}]
---
YAML
}
# What vision and speech ran, as a trace, and the trace played again.
played_again() {
  local trace=$INGOT_DATA/history.csv nodes=$INGOT_DATA/nodes.csv uid
  local operator=$INGOT_DATA/operator.kubeconfig history=/apis/factory.ingot.dev/v1alpha1/history
  "$ingot" tenant create speech >/dev/null
  pod apart 3 600 | kubectl --kubeconfig "$("$ingot" tenant kubeconfig speech)" apply -f - >/dev/null 2>&1
  { pod short 2 1; pod long 1 600 NVIDIA-H100-80GB-HBM3; } | kubectl apply -f - >/dev/null 2>&1
  kubectl wait --for=jsonpath='{.status.phase}'=Running pod/long --timeout=20s >/dev/null
  kubectl wait --for=jsonpath='{.status.phase}'=Succeeded pod/short --timeout=20s >/dev/null
  uid=$(kubectl get pod short -o jsonpath='{.metadata.uid}')
  kubectl --kubeconfig "$operator" wait --for=delete "allocation/$uid" --timeout=20s >/dev/null 2>&1
  check "history is exported" 0 "^3 jobs in " "$ingot" simulate export --since 1h --out "$trace" --nodes-out "$nodes"
  check "what ended is booked" 0 "^vision/default/short,2000,4096,2,1000,,vision,,[0-9.,]+$" grep /short "$trace"
  check "what still runs says so" 0 "^vision/default/long,2000,4096,1,1000,H100-80GB,vision,Running," grep /long "$trace"
  check "history goes to standard output" 0 "^name,cpu_milli,.*/apart,2000,4096,3," "$ingot" simulate export
  check "nodes are exported" 0 "^hollow-1,[0-9]+,[0-9]+,8,H100-80GB$" grep hollow-1 "$nodes"
  check "history is played again" 0 '"jobs": 3,.*"speech".*"vision"' \
    "$ingot" simulate replay --trace "$trace" --format openb --nodes "$nodes" -o json
  check "a tenant's history is its own" 0 '"pod":"long"' kubectl get --raw "$history"
  check "page by page" 0 '"pod":"short"' kubectl get --raw "$history?next=booked/0"
  check "and nobody else's" 1 "" grep apart <(kubectl get --raw "$history"; kubectl get --raw "$history?next=booked/0")
  check "a page that was not given is refused" 1 "what a page before gave" kubectl get --raw "$history?next=x"
  check "a bad duration is named" 1 "is not a duration" "$ingot" simulate export --since soon
}

# Who cannot read the factory's directory and has a tenant's kubeconfig.
asked_with_a_kubeconfig() {
  if [[ -e /var/lib/ingot/factory.json ]]; then echo "skip a tenant's kubeconfig is enough: /var/lib/ingot has a factory"; return; fi
  local other=$INGOT_DATA/other.kubeconfig asks=(env -u INGOT_DATA HOME="$INGOT_DATA/home" "$ingot")
  check "a tenant's kubeconfig is enough" 0 "^no run in namespace default of vision" "${asks[@]}" runs list
  mkdir -p "$INGOT_DATA/home/.kube" && cp "$KUBECONFIG" "$INGOT_DATA/home/.kube/config"
  KUBECONFIG='' check "so is one at home" 0 "^no data set" "${asks[@]}" dataset list
  check "what it used is its own to see" 0 "^TENANT" "${asks[@]}" usage
  check "other tenants are not its own" 1 "KUBECONFIG is of tenant vision" "${asks[@]}" runs list --tenant speech
  check "the pool is the operator's to see" 1 "only the operator" "${asks[@]}" gpus
  sed 's#/clusters/vision##' "$KUBECONFIG" >"$other"
  KUBECONFIG=$other check "a kubeconfig of something else is named" 1 "no tenant of a factory" "${asks[@]}" runs list
  KUBECONFIG=/nowhere check "one that is not there is named" 1 "cannot read /nowhere" "${asks[@]}" runs list
  sed 's#/clusters/vision#/clusters/nobody#' "$KUBECONFIG" >"$other"
  KUBECONFIG=$other check "credentials of another tenant do not help" 1 "does not know these credentials" \
    "${asks[@]}" runs list
  "$ingot" tenant create other >/dev/null
  check "of several tenants the kubeconfig's is meant" 0 "^no run in" "$ingot" runs list
  KUBECONFIG='' check "or none" 1 "name the tenant with --tenant" env HOME=/nowhere "$ingot" runs list
  "$ingot" tenant delete other >/dev/null
}

offered() {  # offered WORD…: what bash offers for the last of them
  (source <("$ingot" completion bash); COMP_WORDS=(ingot "$@"); COMP_CWORD=$#; _ingot; echo "${COMPREPLY[*]}")
}
check "commands are completed" 0 "^add list sync runs$" offered repo ""
check "so are shells" 0 "^bash zsh fish$" offered completion ""
check "options are completed" 0 "^--webhook$" offered repo add --we
check "what an option may be is completed" 0 "^github gitlab gitea forgejo$" offered repo add --webhook ""
check "a short option's too" 0 "^json table$" offered runs list -o ""
check "a value that is called like a command is none" 0 "--detach" offered run --image runs --
check "files are the shell's to complete" 0 "^$" offered dataset add digits ""
check "so is what is run" 0 "^$" offered run -- --
check "no factory is one clear line" 1 "no factory is running" "$ingot" tenant list
check "status without a factory exits 3" 3 "no factory is running" "$ingot" status
check "down without a factory is no fault" 0 "no factory is running" "$ingot" down
check "wrong usage exits 2" 2 "error: there is no command" "$ingot" frobnicate
check "a mistyped command is found" 2 "\`ingot repo lst\`: is list meant" "$ingot" repo lst
check "a group names its commands" 2 "add, list, sync, runs" "$ingot" repo
check "a bad number is named" 2 "error: --gpus: .-1. is no whole number" "$ingot" run --gpus -1 -- true
check "a command without -- is told where it goes" 2 "goes after --" "$ingot" run ls -la
check "a bad address is named" 1 "is not ADDRESS:PORT" "$ingot" up --gpus none --listen nowhere
check "up returns once it answers" 0 "factory ready in" "$ingot" up --gpus none --hollow 2x8xH100-80GB --listen 127.0.0.1:0 --detach
check "a second up is refused" 1 "is in use by ingot" "$ingot" up --gpus none --listen 127.0.0.1:0 --detach
address=$("$ingot" status -o json | python3 -c 'import json,sys; print(json.load(sys.stdin)["address"])')
check "a port in use is one clear line" 1 "in use by another program" \
  "$ingot" up --gpus none --listen "$address" --data "$INGOT_DATA/other"
check "a tenant is created" 0 "tenant vision created in" "$ingot" tenant create vision --gpus 8
check "a tenant is created once" 1 "already exists" "$ingot" tenant create vision
check "a bad name is refused" 1 "Invalid value" "$ingot" tenant create Bad_Name
check "tenants are listed" 0 "vision +8" "$ingot" tenant list
check "JSON is without managedFields" 1 "" grep managedFields <("$ingot" tenant list -o json)
check "a tenant that is not there is named" 1 "there is no tenant vison" "$ingot" runs show x --tenant vison
check "nor has it used anything" 1 "there is no tenant vison" "$ingot" usage --tenant vison
check "status counts one as one" 0 "1 tenant   2 nodes" "$ingot" status
check "what is not there is named in the command's words" 1 "there is no data set nope.*dataset list" \
  "$ingot" dataset show nope
check "a run is refused before its directory is packed" 1 "^error: there is no namespace nope$" \
  "$ingot" run --image i -n nope -- true
check "an unknown tenant has no kubeconfig" 1 "there is no tenant nobody" "$ingot" tenant kubeconfig nobody
check "a kubeconfig can go to who asked" 0 "current-context: .?vision" "$ingot" tenant kubeconfig vision --out -
check "so can the operator's" 0 "current-context: .?root" "$ingot" tenant kubeconfig root --out -
check "usage is empty at first" 0 "TENANT" "$ingot" usage
if command -v kubectl >/dev/null; then
  KUBECONFIG=$("$ingot" tenant kubeconfig vision --user ada); export KUBECONFIG
  check "kubectl works unmodified" 0 "default" kubectl get namespaces
  asked_with_a_kubeconfig
  played_again
else
  echo "skip kubectl works unmodified: no kubectl"
  echo "skip a factory's history as a trace: no kubectl"
fi
check "a tenant is deleted" 0 "tenant vision deleted" "$ingot" tenant delete vision
check "down stops it" 0 "factory stopped" "$ingot" down
exit $failed
