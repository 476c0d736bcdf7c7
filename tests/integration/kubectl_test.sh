#!/usr/bin/env bash
# kubectl, unmodified, old and new, against a factory of two hollow nodes: every verb a tenant uses.
# Clients: the kubectl on PATH, and Debian's 1.20 ($KUBECTL_1_20, or unpacked beside the build in .cache/).
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

old_kubectl() {
  local at=${KUBECTL_1_20:-$root/.cache/kubectl-1.20/usr/bin/kubectl}
  if [[ ! -x $at ]] && command -v apt-get dpkg >/dev/null; then
    mkdir -p "$root/.cache" "$work/deb"
    (cd "$work/deb" && { apt-get download kubernetes-client || { apt-get update && apt-get download kubernetes-client; }; } &&
      dpkg -x kubernetes-client_*.deb "$root/.cache/kubectl-1.20") \
      >/dev/null 2>&1
  fi
  [[ -x $at ]] && echo "$at"
}

version_of() { "$1" version --client -o json 2>/dev/null | sed -n 's/.*"gitVersion": "v\([0-9]*\.[0-9]*\).*/\1/p' | head -1; }

pod() { # NAME SECONDS: a pod whose container runs that long
  cat <<YAML
apiVersion: v1
kind: Pod
metadata: {name: $1, labels: {app: web}, annotations: {ingot.dev/hollow: '{"runSeconds": $2}'}}
spec:
  restartPolicy: Never
  terminationGracePeriodSeconds: 1
  containers: [{name: c, image: web:1}]
YAML
}

config() { # NAME VALUE
  printf 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s}\ndata: {a: "%s"}\n' "$1" "$2"
}

job() {
  cat <<'YAML'
apiVersion: batch/v1
kind: Job
metadata: {name: train, labels: {app: train}}
spec:
  completions: 2
  parallelism: 2
  template:
    metadata: {annotations: {ingot.dev/hollow: '{"runSeconds": 1}'}}
    spec:
      restartPolicy: Never
      containers: [{name: c, image: train:1, resources: {limits: {nvidia.com/gpu: 2}}}]
YAML
}

# k NAME PATTERN ARGUMENTS… and kno: kubectl ARGUMENTS succeeds, or is refused, with output matching PATTERN.
k() { expect "$v $1" "$2" "$kubectl" "${@:3}"; }
kno() { refused "$v $1" "$2" "$kubectl" "${@:3}"; }
# watched NAME PATTERN FILE COMMAND…: COMMAND makes a background watch write a line that matches into FILE.
watched() {
  local name=$1 pattern=$2 file=$3 follower line
  shift 3
  exec {follower}< <(exec timeout 20 tail -s 0.05 -n +1 -F "$file" 2>/dev/null)
  "$@" >/dev/null 2>&1
  while read -r -u "$follower" line; do
    [[ $line =~ $pattern ]] && break
  done
  kill $! 2>/dev/null
  exec {follower}<&-
  if [[ $line =~ $pattern ]]; then ok "$v $name"; else fail "$v $name" "no '$pattern' in: $(cat "$file")"; fi
}

discovery() {
  k version 'Server Version.*v?1\.?"?,? ?M?i?n?o?r?:?"?36' version
  k api-versions '^batch/v1$' api-versions
  k api-resources '^pods +po +v1 +true +Pod' api-resources
  k 'api-resources -o wide' '^jobs .*create[, ]delete.*watch' api-resources --api-group=batch -o wide
  k explain 'FIELD|RESOURCE: containers' explain pod.spec.containers
  k 'explain job' 'spec.*(JobSpec|Object)' explain job
  k 'get --raw' '^ok$' get --raw /readyz
  kno 'get nothing' "doesn't have a resource type \"nothing\"" get nothing
}

apply_and_get() {
  config conf 1 >"$dir/1.yaml"
  config conf 2 >"$dir/2.yaml"
  k 'apply creates' 'configmap/conf created' apply -f "$dir/1.yaml"
  k 'apply again' 'configmap/conf unchanged' apply -f "$dir/1.yaml"
  kno diff '\+ +a: "2"' diff -f "$dir/2.yaml"
  k 'apply --dry-run=server' 'conf configured \(server dry run\)' apply --dry-run=server -f "$dir/2.yaml"
  k 'dry run left it' '^1$' get cm conf -o 'jsonpath={.data.a}{"\n"}'
  k 'apply changes' 'configmap/conf configured' apply -f "$dir/2.yaml"
  k 'diff of none' '^$' diff -f "$dir/2.yaml"
  k 'get' '^conf +1 ' get cm
  k 'get -o wide' '^conf +1 ' get cm -o wide
  k 'get -o json' '"a": "2"' get cm conf -o json
  k 'get -o yaml' 'a: "2"' get cm conf -o yaml
  k 'get -o name' '^configmap/conf$' get cm -o name
  k 'get -o jsonpath' '^2$' get cm conf -o 'jsonpath={.data.a}{"\n"}'
  k 'get -o go-template' '^2$' get cm conf -o 'go-template={{.data.a}}{{"\n"}}'
  k 'get -o custom-columns' '^conf +2$' get cm -o custom-columns=NAME:.metadata.name,A:.data.a
  k 'get -A' "^$ns +conf " get cm -A
  k 'get --show-labels' '<none>$' get cm conf --show-labels
  k 'get --sort-by' '^conf' get cm --sort-by=.metadata.name
  k 'get --chunk-size' '^kube-root-ca.crt' get cm --chunk-size=1
  k 'get --field-selector' '^configmap/conf$' get cm --field-selector metadata.name=conf -o name
  kno 'unknown field selector' 'field label not supported: foo' get pods --field-selector foo=bar
  kno 'malformed selector' 'unable to parse requirement' get cm -l 'x in (a'
  kno 'get missing' '\(NotFound\): configmaps "nope" not found' get cm nope
  k label 'labeled' label cm conf tier=one
  kno 'label taken' "already has a value \(one\)" label cm conf tier=two
  k 'label --overwrite' 'labeled' label --overwrite cm conf tier=two
  k 'get -l' '^configmap/conf$' get cm -l 'tier in (two,three)' -o name
  k 'get -L' 'two$' get cm conf -L tier
  k annotate 'annotated' annotate cm conf note=x
  k 'patch strategic' 'patched' patch cm conf -p '{"data":{"b":"3"}}'
  k 'patch merge' 'patched' patch cm conf --type merge -p '{"data":{"b":null,"c":"4"}}'
  k 'patch json' 'patched' patch cm conf --type json -p '[{"op":"replace","path":"/data/c","value":"5"}]'
  k 'after the patches' '"c":"5"' get cm conf -o 'jsonpath={.data}'
  KUBE_EDITOR="sed -i s/c:.*5.*/c:\ edited/" k edit 'conf edited' edit cm conf
  k 'after the edit' '^edited$' get cm conf -o 'jsonpath={.data.c}{"\n"}'
  k replace 'configmap/conf replaced' replace -f "$dir/1.yaml"
  k 'replace --force' 'configmap/conf replaced' replace --force -f "$dir/1.yaml"
  kno 'create -f twice' '\(AlreadyExists\).*configmaps "conf" already exists' create -f "$dir/1.yaml"
  k 'describe cm' '^Name: +conf' describe cm conf
  k 'delete cm' 'configmap "conf" deleted' delete -f "$dir/1.yaml"
  k 'delete --ignore-not-found' '^$' delete cm conf --ignore-not-found
  printf 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: odd}\ndat: {a: b}\n' >"$dir/odd.yaml"
  kno 'unknown field' 'unknown field "?dat' apply -f "$dir/odd.yaml"
}

validation() { # since kubectl 1.25 by the server
  kno '--validate=strict' 'strict decoding error: unknown field "dat"' create --validate=strict -f "$dir/odd.yaml"
  k '--validate=warn' 'Warning: unknown field "dat"' create --validate=warn -f "$dir/odd.yaml"
}

creators() {
  k 'create cm' 'created' create cm made --from-literal=k=v
  k 'create secret' 'created' create secret generic hidden --from-literal=password=w
  k 'create sa' 'created' create sa robot
  k 'create role' 'created' create role reader --verb=get,list --resource=pods
  k 'create rolebinding' 'created' create rolebinding reads --role=reader --serviceaccount="$ns:robot"
  k 'create clusterrole' 'created' create clusterrole "nodes-$ns" --verb=get --resource=nodes
  k 'create clusterrolebinding' 'created' create clusterrolebinding "nodes-$ns" --clusterrole="nodes-$ns" --serviceaccount="$ns:robot"
  k 'create priorityclass' 'created' create priorityclass "fast-$ns" --value=5
  k 'describe role' 'pods .*\[get list\]' describe role reader
  k 'describe rolebinding' 'ServiceAccount +robot' describe rolebinding reads
  k 'describe sa' '^Name: +robot' describe sa robot
  k 'describe secret' 'password: +1 bytes' describe secret hidden
  k 'describe namespace' 'Status: +Active' describe ns "$ns"
  k 'describe node' 'nvidia.com/gpu: +8' describe node hollow-0
  k 'get nodes' '^hollow-1 +Ready' get nodes
  k 'auth can-i' '^yes$' auth can-i create jobs.batch
  k 'auth can-i --list' '^\*\.\* ' auth can-i --list
}

tokens() { # since kubectl 1.24
  local token
  token=$("$kubectl" create token robot --duration=10m 2>&1)
  printf 'apiVersion: v1\nkind: Config\n' >"$work/none"
  local robot=("$kubectl" --kubeconfig "$work/none" --server "https://$address/clusters/team" --certificate-authority "$work/ca.pem"
    --token "$token" -n "$ns")
  expect "$v create token" '^No resources found' "${robot[@]}" get pods
  expect "$v auth can-i as a robot" '^yes$' "${robot[@]}" auth can-i list pods
  refused "$v auth can-i says no" '^no' "${robot[@]}" auth can-i create pods
  refused "$v robot may not create" 'cannot create resource "configmaps"' "${robot[@]}" create cm x
  expect "$v auth whoami" "system:serviceaccount:$ns:robot" "${robot[@]}" auth whoami
}

pods_and_jobs() {
  "$kubectl" get pods -w -o name >"$dir/watch" 2>&1 &
  local w=$!
  "$kubectl" get pods --watch-only --no-headers >"$dir/watch-only" 2>&1 &
  local wo=$!
  pod a 600 >"$dir/a.yaml"
  watched 'get -w' 'pod/a' "$dir/watch" "$kubectl" apply -f "$dir/a.yaml"
  k 'wait condition' 'pod/a condition met' wait --for=condition=Ready pod/a --timeout=20s
  k 'describe pod' 'Successfully assigned .* to hollow-' describe pod a
  k 'get pods -o wide' '^a +1/1 +Running .*hollow-' get pods -o wide
  kno 'logs of a hollow pod' 'has no log on node "hollow-' logs a
  kno 'logs of no pod' 'pods "nope" not found' logs nope
  k 'get events' 'Scheduled +pod/a' get events
  k 'delete --wait' 'pod "a" deleted' delete pod a
  watched 'get --watch-only' '^a .*Terminating' "$dir/watch-only" true
  kill $w $wo 2>/dev/null
  wait $w $wo 2>/dev/null
  for name in b c d e; do pod $name 600; echo ---; done >"$dir/pods.yaml"
  k 'create -f of many' 'pod/e created' create -f "$dir/pods.yaml"
  k 'delete --grace-period=0 --force' 'force deleted' delete pod b --force --grace-period=0
  k 'delete --wait=false' 'pod "c" deleted' delete pod c --wait=false
  k 'delete -l' 'pod "e" deleted' delete pods -l app=web
  k run 'pod/one created' run one --image=x --restart=Never
  k 'delete --now' 'pod "one" deleted' delete pod one --now

  job >"$dir/job.yaml"
  k 'apply a job' 'job.batch/train created' apply -f "$dir/job.yaml"
  k 'wait for a job' 'condition met' wait --for=condition=complete job/train --timeout=20s
  k 'get jobs' '^train .*2/2' get jobs
  k 'describe job' 'SuccessfulCreate' describe job train
  k 'describe its pods' 'nvidia.com/gpu: +2' describe pod -l job-name=train
  k 'get all' 'job.batch/train' get all
  k 'create job' 'created' create job kept --image=x -- true
  k 'job pods' '^kept-' get pods -l job-name=kept --no-headers
}

claims() {
  cat >"$dir/claims.yaml" <<'YAML'
apiVersion: resource.k8s.io/v1
kind: ResourceClaimTemplate
metadata: {name: pair}
spec:
  spec:
    devices:
      requests:
      - name: gpus
        exactly:
          deviceClassName: gpu.nvidia.com
          count: 2
          selectors: [{cel: {expression: "device.capacity['gpu.nvidia.com'].memory.compareTo(quantity('40Gi')) >= 0"}}]
---
apiVersion: v1
kind: Pod
metadata: {name: claims, annotations: {ingot.dev/hollow: '{"runSeconds": 600}'}}
spec:
  restartPolicy: Never
  terminationGracePeriodSeconds: 1
  resourceClaims: [{name: gpus, resourceClaimTemplateName: pair}]
  containers: [{name: c, image: train:1, resources: {claims: [{name: gpus}]}}]
YAML
  k 'get deviceclasses' '^mig.nvidia.com' get deviceclasses
  k 'get resourceslices' '^hollow-0-gpu.nvidia.com +hollow-0 +gpu.nvidia.com' get resourceslices
  k 'apply a claim' 'pod/claims created' apply -f "$dir/claims.yaml"
  k 'wait for its pod' 'condition met' wait --for=condition=Ready pod/claims --timeout=20s
  k 'get resourceclaims' '^claims-gpus-[a-z0-9]{5} +allocated,reserved' get resourceclaims
  k 'its devices' '^gpu-[0-7] gpu-[0-7]$' get resourceclaims -o 'jsonpath={.items[0].status.allocation.devices.results[*].device}{"\n"}'
  sed "s/name: pair/name: odd/; s/device.capacity/device.capacities/" "$dir/claims.yaml" >"$dir/odd-claims.yaml"
  kno 'a selector that means nothing' "undefined field 'capacities'" create -f "$dir/odd-claims.yaml"
  k 'delete its pod' 'deleted' delete pod claims
  k 'the claim goes with it' '^$' get resourceclaims -o name
}

cascades() { # ORPHAN: that client's word for --cascade=orphan
  k 'delete --cascade orphan' 'job.batch "kept" deleted' delete job kept "$1"
  k 'its pod stays' '^pod/kept-' get pods -l job-name=kept -o name
  k 'delete a job' 'job.batch "train" deleted' delete job train
  k 'delete --all' 'deleted' delete pods --all
}

newer() {
  pod f 600 >"$dir/f.yaml"
  k 'create -f' 'pod/f created' create -f "$dir/f.yaml"
  k 'delete to wait for' 'pod "f" deleted' delete pod f --wait=false
  k 'wait delete' '' wait --for=delete pod/f --timeout=20s
  k 'create job' 'created' create job fore --image=x -- true
  k 'wait jsonpath' 'condition met' wait --for='jsonpath={.status.ready}=1' job/fore --timeout=20s
  k 'delete --cascade=foreground' 'job.batch "fore" deleted' delete job fore --cascade=foreground
  k 'nothing is left of it' '^$' get pods -l job-name=fore -o name
  k events 'Scheduled +Pod/a' events
  k 'get --show-managed-fields' 'manager: kubectl' get cm made --show-managed-fields -o yaml
}

# On a node that runs containers: what they write.
logs() { # KUBECTL VERSION
  kubectl=$1 v=$2
  local name=log${v/./-}
  cat >"$work/$name.yaml" <<YAML
apiVersion: v1
kind: Pod
metadata: {name: $name}
spec:
  restartPolicy: OnFailure
  terminationGracePeriodSeconds: 1
  containers:
  - name: c
    image: busybox:latest
    command: [sh, -c, 'if [ -e /keep/again ]; then echo two; echo three; touch /keep/up; exec sleep 600; fi; touch /keep/again; echo one; exit 3']
    readinessProbe: {exec: {command: [test, -e, /keep/up]}, periodSeconds: 1}
    volumeMounts: [{name: keep, mountPath: /keep}]
  volumes: [{name: keep, emptyDir: {}}]
YAML
  k 'apply to a real node' 'created' apply -f "$work/$name.yaml"
  k 'wait for the restart' 'condition met' wait --for=condition=Ready "pod/$name" --timeout=30s
  "$kubectl" logs -f "$name" >"$work/$name.log" 2>&1 &
  local follower=$!
  watched 'logs -f' 'three' "$work/$name.log" true
  k logs '^two$' logs "$name"
  k 'logs --tail' '^three$' logs --tail=1 "$name"
  k 'logs --timestamps' '^20.*Z two$' logs --timestamps "$name"
  k 'logs --previous' '^one$' logs --previous "$name"
  k 'logs -c' '^two$' logs "$name" -c c
  kno 'logs of no container' 'container d is not valid' logs "$name" -c d
  k 'restarts' '^1$' get pod "$name" -o 'jsonpath={.status.containerStatuses[0].restartCount}{"\n"}'
  k 'delete a real pod' 'deleted' delete pod "$name"
  wait $follower && ok "$v logs -f ends with the pod" || fail "$v logs -f ends with the pod" "$(cat "$work/$name.log")"
}

run_client() { # KUBECTL VERSION
  kubectl=$1 v=$2 ns=v${2/./-} dir=$work/v$2
  mkdir -p "$dir"
  KUBECONFIG=$work/team.yaml k 'create ns' 'created' create ns "$ns"
  cp "$work/team.yaml" "$dir/kubeconfig"
  export KUBECONFIG=$dir/kubeconfig
  "$kubectl" config set-context --current --namespace="$ns" >/dev/null
  for _ in {1..50}; do "$kubectl" get sa default >/dev/null 2>&1 && break; done # pods need it
  local minor=${v#1.}
  discovery
  apply_and_get
  ((minor >= 27)) && validation
  creators
  ((minor >= 27)) && tokens
  pods_and_jobs
  claims
  if ((minor >= 23)); then cascades --cascade=orphan; else cascades --cascade=false; fi
  ((minor >= 27)) && newer
  k 'delete ns' "namespace \"$ns\" deleted" delete ns "$ns"
  unset KUBECONFIG
}

new=$(command -v kubectl) && new_version=$(version_of "$new")
old=$(old_kubectl)
if [[ -z $new && -z $old ]]; then
  skip kubectl "there is none on PATH, and Debian's cannot be fetched"
  exit 0
fi
up 'kubectl: a factory' --gpus none --hollow 2x8xH100-80GB
"$INGOT" tenant create team >/dev/null && "$INGOT" tenant kubeconfig team --out "$work/team.yaml" >/dev/null
sed -n 's/.*certificate-authority-data: "\?\([^"]*\)"\?$/\1/p' "$work/team.yaml" | base64 -d >"$work/ca.pem"

if [[ -z $new || $new_version == 1.20 ]]; then
  skip 'kubectl 1.3x' 'the kubectl on PATH is not of 1.27 or later'
else
  run_client "$new" "$new_version"
fi
if [[ -n $old ]]; then
  run_client "$old" 1.20
else
  skip 'kubectl 1.20' "Debian's kubernetes-client is not unpacked and cannot be fetched"
fi
"$INGOT" down >/dev/null 2>&1

if [[ $(id -u) != 0 ]] || ! command -v containerd runc nft busybox python3 >/dev/null; then
  skip 'kubectl logs' 'containers need root, containerd, runc, nftables and busybox'
  exit $failed
fi
export INGOT_DATA=$work/real
up 'kubectl: a factory with containers' --gpus simulated:1x1xH100-80GB
python3 -c "import sys; sys.path.insert(0, '$root/tools'); import oci; oci.write_busybox('$work/busybox.tar')"
"$INGOT" image load "$work/busybox.tar" >/dev/null || fail 'image load' 'it was refused'
"$INGOT" tenant create team >/dev/null
KUBECONFIG=$("$INGOT" tenant kubeconfig team) && export KUBECONFIG
if [[ -n $new && $new_version != 1.20 ]]; then logs "$new" "$new_version"; fi
if [[ -n $old ]]; then logs "$old" 1.20; fi
exit $failed
