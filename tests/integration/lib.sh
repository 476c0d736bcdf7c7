# What the shell tests share: a factory of their own, three outcomes, and an end that leaves nothing behind.
# Expects $INGOT (the program). Sourced, never run.
set -uo pipefail

ok() { echo "ok $1"; }
fail() {
  echo "fail $1: $(tr '\n' ' ' <<<"${2:-}" | cut -c1-600)"
  failed=1
}
skip() { echo "skip $1: $2"; }
failed=0

: "${INGOT:=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)/build/release/ingot}"
if [[ ! -x $INGOT ]]; then
  skip "$(basename "$0" .sh)" "no program at $INGOT"
  exit 0
fi

work=$(mktemp -d /tmp/ingot-it-XXXXXX)
export INGOT_DATA=$work/data
unset KUBECONFIG
export HOME=$work # kubectl caches discovery there
hooks=()          # run at the end, last first

finish() {
  local i
  "$INGOT" down >/dev/null 2>&1
  for ((i = ${#hooks[@]} - 1; i >= 0; i--)); do eval "${hooks[i]}"; done
  rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM

# up NAME ARGUMENTS…: starts the factory on a free port, or at $listen; $address is where it listens.
up() {
  local name=$1
  shift
  if ! "$INGOT" up --detach --listen "${listen:-127.0.0.1:0}" "$@" >"$work/up" 2>&1; then
    fail "$name" "$(cat "$work/up")"
    exit 1
  fi
  address=$(sed -n 's|.*https://\([^ ]*\).*|\1|p' "$work/up" | head -1)
}

# credentials KUBECONFIG WHO: what asked() shows for WHO.
credentials() {
  local part
  for part in certificate key; do
    sed -n "s/.*client-$part-data: \"\?\([^\"]*\)\"\?\$/\1/p" "$1" | base64 -d >"$work/$2.$part"
  done
  sed -n 's/.*certificate-authority-data: "\?\([^"]*\)"\?$/\1/p' "$1" | base64 -d >"$work/ca"
}

# asked WHO CURL-ARGUMENTS…: the factory, as WHO; nobody has no certificate.
asked() {
  local who=$1 shown=()
  shift
  [[ $who != nobody ]] && shown=(--cert "$work/$who.certificate" --key "$work/$who.key")
  curl -s --max-time 20 --cacert "$work/ca" "${shown[@]}" "$@"
}

# expect NAME PATTERN COMMAND…: it succeeds and prints what matches the extended regular expression.
expect() {
  local name=$1 pattern=$2 out
  shift 2
  if ! out=$(timeout 30 "$@" 2>&1 </dev/null); then
    fail "$name" "$out"
  elif ! grep -Eq -- "$pattern" <<<"$out"; then
    fail "$name" "no match for '$pattern' in: $out"
  else
    ok "$name"
  fi
}

# refused NAME PATTERN COMMAND…: it fails, and says so in these words.
refused() {
  local name=$1 pattern=$2 out
  shift 2
  if out=$(timeout 30 "$@" 2>&1 </dev/null); then
    fail "$name" "it was accepted: $out"
  elif ! grep -Eq -- "$pattern" <<<"$out"; then
    fail "$name" "no match for '$pattern' in: $out"
  else
    ok "$name"
  fi
}
