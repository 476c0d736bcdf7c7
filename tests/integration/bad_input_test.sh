#!/usr/bin/env bash
# What the program answers to what it should not be given: over HTTP a Kubernetes Status, on the command line one
# clear line. After all of it the server is up and another tenant has noticed nothing. Needs no containers.
# Tokens out of their time are in src/apiserver/server_test.cc: the shortest one lives ten minutes.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
if ! command -v curl >/dev/null; then
  skip 'bad input' 'curl is not installed'
  exit 0
fi

# call WHO METHOD PATH [CURL ARGUMENTS]: prints the body, the Warning headers and, last, the code.
call() {
  local who=$1 method=$2 path=$3
  shift 3
  asked "$who" --path-as-is -X "$method" "https://$address$path" -w '\n%header{warning}\n%{http_code}' "$@" 2>&1
}

# answers NAME CODES PATTERN WHO METHOD PATH [CURL ARGUMENTS]: the code is one of CODES; a refusal is a Status.
answers() {
  local name=$1 codes=$2 pattern=$3 out code
  shift 3
  out=$(call "$@")
  code=${out##*$'\n'}
  if ! grep -Eqx "$codes" <<<"$code"; then
    fail "$name" "code $code instead of $codes: $out"
  elif [[ $code == [45]* && $out != *'"kind":"Status"'*'"status":"Failure"'* ]]; then
    fail "$name" "no Status: $out"
  elif ! grep -Eq -- "$pattern" <<<"$out"; then
    fail "$name" "no match for '$pattern' in: $out"
  else
    ok "$name"
  fi
}

# one_line NAME PATTERN COMMAND…: it fails with one line `error: …` that matches (a hint may stand below it).
one_line() {
  local name=$1 pattern=$2 out
  shift 2
  if out=$(timeout 30 "$@" 2>&1 </dev/null); then
    fail "$name" "it succeeded: $out"
  elif (($(grep -c '^error: ' <<<"$out") != 1)); then
    fail "$name" "not one error: $out"
  elif ! grep -Eq -- "^error: .*($pattern)" <<<"$out"; then
    fail "$name" "no match for '$pattern' in: $out"
  else
    ok "$name"
  fi
}

maps=/clusters/red/api/v1/namespaces/default/configmaps
pods=/clusters/red/api/v1/namespaces/default/pods
json=(-H 'Content-Type: application/json' --data-binary)
yaml=(-H 'Content-Type: application/yaml' --data-binary)
merge=(-H 'Content-Type: application/merge-patch+json' --data-binary)
factory=/apis/factory.ingot.dev/v1alpha1

bodies() {
  answers 'malformed JSON' 400 'BadRequest' red POST $maps "${json[@]}" '{"metadata":'
  answers 'malformed YAML' 400 'BadRequest' red POST $maps "${yaml[@]}" 'a: [1'
  answers 'an empty body' 400 'BadRequest' red POST $maps "${json[@]}" ''
  answers 'not an object' 400 'BadRequest' red POST $maps "${json[@]}" '[]'
  answers 'another encoding' 415 'accepted media types include' red POST $maps -H 'Content-Type: text/csv' -d 'a,b'
  answers 'broken protobuf' 400 'not a Kubernetes message in protobuf' red POST $maps \
    -H 'Content-Type: application/vnd.kubernetes.protobuf' --data-binary 'k8s'
  printf '{"metadata":{"name":"deep"},"data":%s' "$(printf '{"a":%.0s' {1..5000})" >"$work/deep"
  answers 'nesting without end' 400 'BadRequest' red POST $maps "${json[@]}" "@$work/deep"
  answers 'an unknown field, strictly' 400 'unknown field \\"dat\\"' red POST "$maps?fieldValidation=Strict" "${json[@]}" \
    '{"metadata":{"name":"odd"},"dat":{}}'
  answers 'an unknown field' 201 'unknown field' red POST $maps "${json[@]}" '{"metadata":{"name":"odd"},"dat":{}}'
  answers 'a wrong type' 400 'cannot unmarshal' red POST $maps "${json[@]}" '{"metadata":{"name":"a"},"data":[1]}'
  answers 'a wrong apiVersion' 400 'v2' red POST $maps "${json[@]}" '{"apiVersion":"v2","kind":"ConfigMap","metadata":{"name":"a"}}'
  answers 'a wrong kind' 400 'Secret' red POST $maps "${json[@]}" '{"apiVersion":"v1","kind":"Secret","metadata":{"name":"a"}}'
  answers 'a bad name' 422 'RFC 1123' red POST $maps "${json[@]}" '{"metadata":{"name":"Not_Good"}}'
  answers 'no name' 422 'name or generateName is required' red POST $maps "${json[@]}" '{"metadata":{}}'
  { printf '{"metadata":{"name":"big"},"data":{"a":"'; head -c 3200000 /dev/zero | tr '\0' x; printf '"}}'; } >"$work/big"
  answers 'more than 3 MiB' 413 'limit is 3145728' red POST $maps "${json[@]}" "@$work/big"
  answers 'more than 3 MiB in chunks' 413 'limit is' red POST $maps -H 'Transfer-Encoding: chunked' "${json[@]}" "@$work/big"
  answers 'a create' 201 '"name":"a"' red POST $maps "${json[@]}" '{"metadata":{"name":"a"}}'
  answers 'the same again' 409 'AlreadyExists' red POST $maps "${json[@]}" '{"metadata":{"name":"a"}}'
  answers 'a stale resourceVersion' 409 'the object has been modified' red PUT $maps/a "${json[@]}" \
    '{"metadata":{"name":"a","resourceVersion":"1"},"data":{"x":"y"}}'
  answers 'another name than the path' 400 'BadRequest' red PUT $maps/a "${json[@]}" '{"metadata":{"name":"b"}}'
  answers 'what is not there' 404 'configmaps \\"nope\\" not found' red GET $maps/nope
  answers 'a type that is not there' 404 'NotFound' red GET /clusters/red/apis/apps/v1/deployments
  answers 'a namespace that is not there' 404 'namespaces \\"no\\" not found' red POST \
    /clusters/red/api/v1/namespaces/no/configmaps "${json[@]}" '{"metadata":{"name":"a"}}'
  answers 'a patch of no known kind' 415 'UnsupportedMediaType' red PATCH $maps/a "${json[@]}" '{}'
  answers 'server-side apply' 415 'server-side apply is not supported' red PATCH "$maps/a?fieldManager=x" \
    -H 'Content-Type: application/apply-patch+yaml' -d 'data: {}'
  answers 'a JSON patch of nothing' 422 'Invalid' red PATCH $maps/a -H 'Content-Type: application/json-patch+json' \
    -d '[{"op":"remove","path":"/data/none"}]'
  answers 'a history that is gone' '400|410' 'Status' red GET "$maps?limit=1&continue=nonsense"
  answers 'a future revision' '4..|504' 'Status' red GET "$maps?resourceVersion=999999999"
}

strangers() {
  local token forged
  answers 'nobody' 401 'Unauthorized' nobody GET $maps
  answers 'nobody, somewhere' 401 'Unauthorized' nobody GET /clusters/nowhere/api/v1/pods
  answers "another tenant's certificate" 401 'Unauthorized' blue GET $maps
  answers 'a tenant at root' '401|403' 'Unauthorized|Forbidden' red GET /clusters/root/api/v1/nodes
  answers 'a tenant at every cluster' '401|403' 'Unauthorized|Forbidden' red GET '/clusters/*/api/v1/pods'
  answers 'a tenant at no cluster' '401|404' 'Status' red GET /clusters/nowhere/api/v1/pods
  answers 'tenants as a tenant' '403|404' 'Status' red GET "/clusters/red$factory/tenants"
  answers 'another kubeconfig as a tenant' '401|403' 'Status' red POST "/clusters/root$factory/tenants/blue/kubeconfig" "${json[@]}" '{}'
  token=$(call red POST /clusters/red/api/v1/namespaces/default/serviceaccounts/default/token "${json[@]}" \
    '{"spec":{"expirationSeconds":600}}' | sed -n 's/.*"token":"\([^"]*\)".*/\1/p')
  answers 'a token at home' 403 'system:serviceaccount:default:default' nobody GET $maps -H "Authorization: Bearer $token"
  answers "a token at another's" 401 'Unauthorized' nobody GET /clusters/blue/api/v1/pods -H "Authorization: Bearer $token"
  answers 'a token at root' 401 'Unauthorized' nobody GET /clusters/root/api/v1/pods -H "Authorization: Bearer $token"
  forged="${token%.*}.$(tr 'A-Za-z' 'B-ZAb-za' <<<"${token##*.}")"
  answers 'a forged token' 401 'Unauthorized' nobody GET $maps -H "Authorization: Bearer $forged"
  forged="$(printf '{"alg":"none"}' | base64 -w0 | tr -d =).$(cut -d. -f2 <<<"$token")."
  answers 'an unsigned token' 401 'Unauthorized' nobody GET $maps -H "Authorization: Bearer $forged"
  answers 'garbage for a token' 401 'Unauthorized' nobody GET $maps -H 'Authorization: Bearer garbage'
  answers 'a password' 401 'Unauthorized' nobody GET $maps -u admin:admin
  answers 'impersonation' 400 'impersonation is not supported' red GET $maps -H 'Impersonate-User: system:admin'
  refused 'a lifetime of nothing' 'ttl' "$INGOT" tenant kubeconfig red --ttl 0s
  refused "the factory's own group" 'ingot:operators' "$INGOT" tenant kubeconfig red --group ingot:operators

  "$INGOT" tenant create gone >/dev/null
  credentials "$("$INGOT" tenant kubeconfig gone)" gone
  answers 'a tenant that will go' 200 'items' gone GET /clusters/gone/api/v1/pods
  "$INGOT" tenant delete gone >/dev/null && "$INGOT" tenant create gone >/dev/null
  answers 'the certificate of its namesake' 401 'Unauthorized' gone GET /clusters/gone/api/v1/pods
}

theft() {
  answers 'nodeName is a proposal' 201 'proposed-node":"hollow-0"' red POST $pods "${json[@]}" \
    '{"metadata":{"name":"p"},"spec":{"nodeName":"hollow-0","schedulerName":"mine","nodeSelector":{"not":"here"},"containers":[{"name":"c","image":"i"}]}}'
  answers 'and so is a binding' 201 'Success' red POST $pods/p/binding "${json[@]}" \
    '{"apiVersion":"v1","kind":"Binding","metadata":{"name":"p"},"target":{"kind":"Node","name":"hollow-9"}}'
  answers 'a nodeName by patch' '403|422' 'Forbidden|Invalid' red PATCH $pods/p "${merge[@]}" '{"spec":{"nodeName":"hollow-1"}}'
  answers 'a status by a tenant' 403 'only the node that runs a pod' red PATCH $pods/p/status "${merge[@]}" '{"status":{"phase":"Succeeded"}}'
  answers 'a status by the operator' 403 'only the node that runs a pod' operator PATCH $pods/p/status "${merge[@]}" '{"status":{"phase":"Failed"}}'
  answers 'an Allocation by a tenant' '4..' 'Status' red POST "/clusters/red$factory/allocations" "${json[@]}" '{"metadata":{"name":"x"}}'
  answers 'an Allocation by the operator' 405 'create is not supported' operator POST "$factory/allocations" "${json[@]}" '{"metadata":{"name":"x"}}'
  answers 'an end by the operator' 405 'delete is not supported' operator DELETE "$factory/allocations/x"
  answers 'a node by a tenant' 403 'read-only' red DELETE /clusters/red/api/v1/nodes/hollow-0
  answers 'a privileged pod' 403 'violates PodSecurity \\"baseline' red POST $pods "${json[@]}" \
    '{"metadata":{"name":"root"},"spec":{"containers":[{"name":"c","image":"i","securityContext":{"privileged":true}}]}}'
  answers "the factory's priority" 403 'reserved for the factory' red POST $pods "${json[@]}" \
    '{"metadata":{"name":"vip"},"spec":{"priorityClassName":"system-node-critical","containers":[{"name":"c","image":"i"}]}}'
  answers 'the same in a Job' 201 '' red POST /clusters/red/apis/batch/v1/namespaces/default/jobs "${json[@]}" \
    '{"metadata":{"name":"vip"},"spec":{"template":{"spec":{"restartPolicy":"Never","priorityClassName":"system-node-critical","containers":[{"name":"c","image":"i"}]}}}}'
  event_says 'its pods are refused' 'reserved for the factory' 'involvedObject.name%3Dvip'
  answers 'more GPUs than there are' 201 '' red POST $pods "${json[@]}" \
    '{"metadata":{"name":"huge"},"spec":{"containers":[{"name":"c","image":"i","resources":{"limits":{"nvidia.com/gpu":64}}}]}}'
  event_says 'is told why it waits' 'GPUs .*needs 64|needs 64' 'involvedObject.name%3Dhuge'
  answers 'half a GPU' 422 'must be an integer' red POST $pods "${json[@]}" \
    '{"metadata":{"name":"half"},"spec":{"containers":[{"name":"c","image":"i","resources":{"limits":{"nvidia.com/gpu":"500m"}}}]}}'
}

# event_says NAME PATTERN SELECTOR: an Event of red's namespace comes to say it.
event_says() {
  local line
  line=$(call red GET "/clusters/red/api/v1/namespaces/default/events?watch=1&timeoutSeconds=10&fieldSelector=$3" -N | grep -Em1 -- "$2")
  if [[ -n $line ]]; then ok "$1"; else fail "$1" "no event says '$2'"; fi
}

paths() {
  local tricks=('/clusters/red/../blue/api/v1/pods' '/clusters/red%2f..%2fblue/api/v1/pods' '/clusters/%2e%2e/root/api/v1/pods'
    '/clusters//api/v1/pods' '//clusters/blue/api/v1/pods' '/clusters/red//api/v1/pods' '/clusters/red/api/v1/pods%00'
    '/clusters/red%00blue/api/v1/pods' '/clusters/red/api/v1/namespaces/default%2f..%2fx/pods' '/clusters/red/api/v1/%zz'
    '/clusters/red/api/v1/namespaces/../../../root/api/v1/nodes' '/clusters/red;/api/v1/pods' '/clusters/RED/api/v1/pods')
  local path
  for path in "${tricks[@]}"; do
    answers "path $path" '400|401|403|404' 'Status' red GET "$path"
  done
  for method in TRACE OPTIONS PROPFIND; do
    answers "method $method" '400|403|405' 'Status' red $method $maps
  done
  answers 'PUT on a collection' 405 'Status' red PUT $maps "${json[@]}" '{}'
  answers 'POST on an object' '404|405' 'Status' red POST $maps/a "${json[@]}" '{}'
  local long
  long=$(head -c 100000 /dev/zero | tr '\0' h)
  printf 'X-Long: %s\n' "$long" >"$work/headers"
  expect 'headers without end' '^(400|431)$' curl -s -o "$work/null" -w '%{http_code}\n' --cacert "$work/ca" -H "@$work/headers" "https://$address/readyz"
  expect 'a target without end' '^(400|414|431)$' curl -s -o "$work/null" -w '%{http_code}\n' --cacert "$work/ca" "https://$address/${long:0:90000}"
  expect 'no TLS' 'use https://' curl -sS --max-time 20 "http://$address/readyz" -w '\n'
}

# Clients that begin and do not end hold up nobody.
slow_clients() {
  if ! command -v openssl >/dev/null; then
    skip 'slow clients' 'openssl is not installed'
    return
  fi
  local i fd
  for i in {1..20}; do
    exec {fd}> >(exec openssl s_client -quiet -connect "$address" >/dev/null 2>&1)
    printf 'POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n' $maps >&"$fd"
    slow+=("$fd")
  done
  answers 'beside slow clients' 200 'items' red GET $maps
  for fd in "${slow[@]}"; do exec {fd}>&-; done
}
slow=()

commands() {
  one_line 'a port in use' "${address##*:}.*in use" "$INGOT" up --data "$work/other" --gpus none --listen "$address"
  one_line 'a second up' 'is in use by ingot' "$INGOT" up --gpus none --listen 127.0.0.1:0
  one_line 'a listen address that is none' 'is not ADDRESS:PORT' "$INGOT" up --data "$work/other" --gpus none --listen nonsense
  one_line 'GPUs that are none' 'nonsense' "$INGOT" up --data "$work/other" --gpus nonsense --listen 127.0.0.1:0
  one_line 'hollow nodes that are none' '7x7' "$INGOT" up --data "$work/other" --gpus none --hollow 7x7 --listen 127.0.0.1:0
  refused 'an unknown flag' 'frobnicate' "$INGOT" up --frobnicate
  one_line 'an unknown command' 'frobnicate' "$INGOT" frobnicate
  one_line 'no factory' 'no factory is running' "$INGOT" status --data "$work/nowhere"
  one_line 'a tenant twice' 'already exists' "$INGOT" tenant create red
  one_line 'a tenant called badly' 'invalid' "$INGOT" tenant create Not_Good
  one_line 'a tenant called root' 'root' "$INGOT" tenant create root
  one_line 'a tenant that is not there' 'there is no tenant nobody' "$INGOT" tenant delete nobody
  one_line 'a kubeconfig of nobody' 'there is no tenant nobody' "$INGOT" tenant kubeconfig nobody
}

# A file that is cut short or not ours: said, and left as it is.
broken_files() {
  local sum
  "$INGOT" down >/dev/null 2>&1
  cp -r "$INGOT_DATA" "$work/cut"
  truncate -s 5000 "$work/cut/ingot.db"
  sum=$(md5sum <"$work/cut/ingot.db")
  one_line 'a database cut short' 'ingot.db' "$INGOT" up --data "$work/cut" --gpus none --listen 127.0.0.1:0
  [[ $(md5sum <"$work/cut/ingot.db") == "$sum" ]] && ok 'it is left as it is' || fail 'it is left as it is' 'the file changed'
  head -c 8192 /dev/urandom >"$work/cut/ingot.db"
  one_line 'a database that is none' 'ingot.db' "$INGOT" up --data "$work/cut" --gpus none --listen 127.0.0.1:0
}

configmap() { # NAME: a ConfigMap of 100 KiB
  printf '{"metadata":{"name":"%s"},"data":{"a":"' "$1"
  head -c 102400 /dev/zero | tr '\0' x
  printf '"}}'
}

# A disk that fills up: writes are refused, deletes go on, nothing acknowledged is lost.
full_disk() {
  local disk=$work/disk i code acknowledged=() lost=()
  mkdir "$disk"
  if ! mount -t tmpfs -o size=64m ingot-test "$disk" 2>/dev/null; then
    skip 'a full disk' 'mounting a tmpfs needs root'
    return
  fi
  hooks+=("umount -l '$disk'")
  export INGOT_DATA=$disk/data
  up 'on a small disk' --gpus none
  "$INGOT" tenant create red >/dev/null
  credentials "$("$INGOT" tenant kubeconfig red)" red
  fallocate -l $(($(df --output=avail -B1 "$disk" | tail -1) - (2 << 20))) "$disk/filler"
  for i in {1..200}; do
    configmap "m$i" >"$work/map"
    code=$(call red POST $maps "${json[@]}" "@$work/map" | tail -1)
    [[ $code == 201 ]] || break
    acknowledged+=("m$i")
  done
  answers 'a full disk' '500|503|507' 'disk' red POST $maps "${json[@]}" "@$work/map"
  answers 'reads on a full disk' 200 '"name":"m1"' red GET $maps/m1
  answers 'deletes on a full disk' 200 'Success' red DELETE $maps/m1
  acknowledged=("${acknowledged[@]:1}")
  rm "$disk/filler"
  for i in {1..100}; do
    code=$(call red POST $maps "${json[@]}" '{"metadata":{"name":"after"}}' | tail -1)
    [[ $code == 201 ]] && break
    read -rt 0.1 <> <(:) # the file is tried again every two seconds
  done
  if [[ $code == 201 ]]; then ok 'space returns'; else fail 'space returns' "still $code"; fi
  acknowledged+=(after)
  i=$("$INGOT" status -o json | sed -n 's/.*"pid": *\([0-9]*\).*/\1/p')
  kill -9 "$i"
  tail --pid="$i" -f /dev/null
  up 'after kill -9' --gpus none
  for i in "${acknowledged[@]}"; do
    [[ $(call red GET "$maps/$i" | tail -1) == 200 ]] || lost+=("$i")
  done
  if ((${#lost[@]} == 0)); then ok "${#acknowledged[@]} acknowledged writes are there"; else fail 'acknowledged writes' "lost: ${lost[*]}"; fi
  answers 'and the delete' 404 'NotFound' red GET $maps/m1
  "$INGOT" down >/dev/null 2>&1
  mount -o remount,ro "$disk"
  one_line 'a read-only disk' 'read-only|Read-only' "$INGOT" up --gpus none --listen 127.0.0.1:0
}

up 'bad input: a factory' --gpus none --hollow 2x8xH100-80GB
"$INGOT" tenant create red >/dev/null && "$INGOT" tenant create blue >/dev/null
credentials "$("$INGOT" tenant kubeconfig root)" operator
credentials "$("$INGOT" tenant kubeconfig red)" red
credentials "$("$INGOT" tenant kubeconfig blue)" blue
call blue POST /clusters/blue/api/v1/namespaces/default/configmaps "${json[@]}" '{"metadata":{"name":"mine"},"data":{"k":"v"}}' >/dev/null

bodies
strangers
theft
paths
slow_clients
commands
answers 'another tenant noticed nothing' 200 '"k":"v"' blue GET /clusters/blue/api/v1/namespaces/default/configmaps/mine
expect 'the factory is up' '^ok$' curl -s --cacert "$work/ca" "https://$address/readyz" -w '\n'
broken_files
full_disk
exit $failed
