#!/usr/bin/env bash
# What a Prometheus server makes of /metrics, who may read what of it, and a GPU that fails, is drained and serves again.
# Simulated boards, pods that run busybox, Debian's Prometheus.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
for program in prometheus curl kubectl jq containerd runc nft busybox python3; do
  if ! command -v "$program" >/dev/null; then
    skip 'metrics' "$program is not installed"
    exit 0
  fi
done
if ((EUID != 0)); then
  skip 'metrics' 'needs root: it runs containers'
  exit 0
fi

# page WHO PATH: what it is answered, with the code last.
page() {
  asked "$1" -w '%{http_code}\n' "https://$address$2"
}
# Commands below may be functions; each of them has a limit of its own.
# eventually NAME PATTERN COMMAND…: what it prints comes to match within a minute.
eventually() {
  local name=$1 pattern=$2 out end=$((SECONDS + 60))
  shift 2
  while ((SECONDS < end)); do
    out=$("$@" 2>&1 </dev/null)
    if grep -Eq -- "$pattern" <<<"$out"; then
      ok "$name"
      return
    fi
    sleep 0.5
  done
  fail "$name" "no match for '$pattern' in: $out"
}
# shows NAME PATTERN COMMAND…: it prints what matches.
shows() {
  local name=$1 pattern=$2 out
  shift 2
  out=$("$@" 2>&1 </dev/null)
  if grep -Eq -- "$pattern" <<<"$out"; then ok "$name"; else fail "$name" "no match for '$pattern' in: $out"; fi
}
# lacks NAME PATTERN COMMAND…: it succeeds and prints nothing that matches.
lacks() {
  local name=$1 pattern=$2 out
  shift 2
  out=$("$@" 2>&1 </dev/null)
  if grep -Eq -- "$pattern" <<<"$out"; then fail "$name" "it says: $(grep -E -m1 -- "$pattern" <<<"$out")"; else ok "$name"; fi
}

boards=$work/boards
describe() {
  printf 'node gpu-a cpu=4 memory_mib=4096\nboard H100-80GB\nboard H100-80GB\n%b' "${1:-}" >"$boards.next"
  mv "$boards.next" "$boards"
}
describe
up 'the factory starts' --gpus "simulated:$boards" --gpu-return-after 2s
"$INGOT" tenant create red --gpus 2 >/dev/null
"$INGOT" tenant create blue --gpus 2 >/dev/null
credentials "$work/data/operator.kubeconfig" operator
red=$("$INGOT" tenant kubeconfig red)
credentials "$red" red
credentials "$("$INGOT" tenant kubeconfig blue)" blue
k() { KUBECONFIG=$red kubectl --request-timeout=20s "$@"; }

job() {
  k apply -f - >/dev/null 2>&1 <<YAML
apiVersion: batch/v1
kind: Job
metadata: {name: train}
spec:
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      terminationGracePeriodSeconds: 0
      containers:
      - {name: c, image: busybox, command: [sleep, "3600"], resources: {limits: {nvidia.com/gpu: 1}}}
YAML
}
python3 -c "import sys; sys.path.insert(0, '$(dirname "${BASH_SOURCE[0]}")/../../tools'); import oci; oci.write_busybox('$work/busybox.tar')"
"$INGOT" image load "$work/busybox.tar" >/dev/null || fail 'image load' 'it was refused'
job
eventually 'a pod runs on a GPU' 'Running' k get pods -l job-name=train

series='DCGM_FI_DEV_GPU_UTIL\{gpu="[01]",UUID="GPU-[^"]*",device="nvidia[01]",modelName="NVIDIA H100 80GB HBM3",Hostname="gpu-a",node="gpu-a",model="H100-80GB",simulated="true",tenant="red",namespace="default",pod="train-[a-z0-9]*"\} 9[0-8]$'
eventually 'the operator sees who holds what' "$series" page operator /metrics
eventually 'a tenant sees its own' "$series" page red /clusters/red/metrics
lacks 'and nothing of another' 'red|ingot_scheduler|process_' page blue /clusters/blue/metrics
shows 'nor of the factory' '40[13]$' page blue /clusters/root/metrics
shows 'no credential, no page' '401$' asked nobody -w '%{http_code}\n' "https://$address/metrics"
shows 'queues' 'ingot_queue_gpus_used\{queue="red",tenant="red"[^}]*\} 1$' page operator /metrics
shows 'the ledger' 'ingot_tenant_gpu_seconds_total\{tenant="red"\} [0-9.]+$' page operator /metrics
shows 'decisions' 'ingot_scheduler_pods_bound_total [1-9]' page operator /metrics

# A MIG instance is measured by itself, beside what is on the other board.
k apply -f - >/dev/null 2>&1 <<YAML
apiVersion: v1
kind: Pod
metadata: {name: notebook}
spec:
  restartPolicy: Never
  terminationGracePeriodSeconds: 0
  containers:
  - {name: c, image: busybox, command: [sleep, "3600"], resources: {limits: {nvidia.com/mig-3g.40gb: 1}}}
YAML
instance='DCGM_FI_PROF_GR_ENGINE_ACTIVE\{gpu="[01]",[^}]*GPU_I_PROFILE="3g.40gb",GPU_I_ID="[0-9]+",[^}]*slice="3g.40gb@[04]",tenant="red",namespace="default",pod="notebook"\} 0\.9'
eventually 'an instance says how busy it is, and whose it is' "$instance" page red /clusters/red/metrics
k delete pod notebook >/dev/null

k create serviceaccount watcher >/dev/null
token=$(asked red -H 'Content-Type: application/json' \
  -d '{"spec":{"expirationSeconds":600}}' "https://$address/clusters/red/api/v1/namespaces/default/serviceaccounts/watcher/token" |
  jq -r .status.token)
as_watcher() {
  asked nobody -H "Authorization: Bearer $token" -w '%{http_code}\n' "https://$address/clusters/red/metrics"
}
shows 'a ServiceAccount without the right' '403$' as_watcher
k create clusterrole metrics --verb=get --non-resource-url=/metrics >/dev/null
k create clusterrolebinding metrics --clusterrole=metrics --serviceaccount=default:watcher >/dev/null
eventually 'and with it' '200$' as_watcher

cat >"$work/prometheus.yml" <<YAML
global: {scrape_interval: 1s}
scrape_configs:
- job_name: ingot
  scheme: https
  tls_config: {ca_file: $work/ca, cert_file: $work/operator.certificate, key_file: $work/operator.key}
  static_configs: [{targets: ["$address"]}]
YAML
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
prometheus --config.file="$work/prometheus.yml" --storage.tsdb.path="$work/tsdb" \
  --web.listen-address="127.0.0.1:$port" >"$work/prometheus.log" 2>&1 &
hooks+=("kill $! 2>/dev/null; wait $! 2>/dev/null")
query() { curl -s --max-time 5 -G "http://127.0.0.1:$port/api/v1/query" --data-urlencode "query=$1"; }
eventually 'Prometheus scrapes it' '"value":\[[0-9.]+,"1"\]' query 'up{job="ingot"}'
eventually 'and answers with the labels' '"pod":"train-[a-z0-9]+","simulated":"true","tenant":"red"' \
  query 'DCGM_FI_DEV_GPU_UTIL{tenant="red",namespace="default"}'
eventually 'also of a free board' '"gpu":"[01]"' query 'DCGM_FI_DEV_FB_FREE{tenant=""}'
eventually 'and how long decisions take' '"value":\[[0-9.]+,"[1-9]' query 'ingot_scheduler_pass_duration_seconds_count'

# The board that the pod is on reports an XID.
pod=$(k get pods -l job-name=train -o jsonpath='{.items[0].metadata.name}')
board=$("$INGOT" gpus -o json | jq '[.[] | select(.heldBy != null)][0].index')
describe "fault $board xid=79\n"
eventually 'a GPU with a fault is told' 'XID 79: GPU has fallen off the bus' "$INGOT" gpus
eventually 'its pod is evicted with the reason' "GPUUnhealthy.*$pod.*XID 79" k get events
eventually 'the Job runs on another' '"running":"Running","others":true' bash -c "KUBECONFIG=$red kubectl get pods -l job-name=train -o json |
  jq -c '[.items[] | select(.metadata.deletionTimestamp == null)] | {running: .[0].status.phase, others: (.[0].metadata.name != \"$pod\")}'"
shows 'and counts no failure' '^0?$' k get job train -o jsonpath='{.status.failed}'
eventually 'the node says why' 'GPUHealthy=False: .*XID 79' kubectl --kubeconfig "$work/data/operator.kubeconfig" get node gpu-a \
  -o jsonpath='{range .status.conditions[?(@.type=="GPUHealthy")]}{.type}={.status}: {.message}{end}'
eventually 'the metric says so too' 'DCGM_FI_DEV_XID_ERRORS\{[^}]*\} 79$' page operator /metrics
describe
eventually 'it serves again' '^0$' bash -c "'$INGOT' gpus -o json | jq '[.[] | select(.healthy | not)] | length'"
eventually 'and that is told' 'GPUHealthy.*serves again' kubectl --kubeconfig "$work/data/operator.kubeconfig" get events

# A look that hangs: the node's figures grow old, everything else goes on.
describe 'fault 0 hang\n'
eventually 'a board that hangs is lost' 'NVML gave no answer in time' "$INGOT" gpus
shows 'and nobody waits for it' 'train' timeout 5 env KUBECONFIG="$red" kubectl get pods
describe
exit $failed
