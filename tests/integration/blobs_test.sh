#!/usr/bin/env bash
# The store of blobs through its HTTP interface and `ingot dataset`: resumed after kill -9, once per tenant, nobody else's,
# limited, on a full disk, and nothing but what its digest says. Needs neither root nor containers; the full disk needs root.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
for tool in curl jq python3; do
  command -v "$tool" >/dev/null || { skip blobs "no $tool"; exit 0; }
done

# as TENANT METHOD PATH [CURL ARGUMENTS…]: the status, then headers, in $work/head; the body in $work/body.
as() {
  local who=$1 method=$2 path=$3
  shift 3
  asked "$who" -S --max-time 60 -X "$method" -D "$work/head" -o "$work/body" -w '%{http_code}' "$@" "https://$address$path"
}
# answers NAME CODE [PATTERN] -- AS-ARGUMENTS…
answers() {
  local name=$1 code=$2 pattern=${3:-} got
  shift 3
  got=$(as "$@" 2>&1)
  if [[ $got != "$code" ]]; then
    fail "$name" "$got, not $code: $(cat "$work/body" 2>/dev/null)"
  elif [[ -n $pattern ]] && ! grep -Eqi -- "$pattern" "$work/head" "$work/body" 2>/dev/null; then
    fail "$name" "no match for '$pattern' in: $(cat "$work/head" "$work/body")"
  else
    ok "$name"
  fi
}
digest() { echo "sha256:$(sha256sum "$1" | cut -d' ' -f1)"; }
header() { tr -d '\r' <"$work/head" | sed -n "s/^$1: *//Ip"; }
stored() { find "$INGOT_DATA/blobs" -type f -path '*/sha256/*' | wc -l; }
restart() {
  kill -9 "$("$INGOT" status -o json | jq .pid)"
  while "$INGOT" status >/dev/null 2>&1; do sleep 0.05; done
  listen=$address up restart --gpus none
}

up start --gpus none
"$INGOT" tenant create vision >/dev/null && "$INGOT" tenant create speech --storage 1Mi >/dev/null || fail tenants "not created"
for tenant in vision speech; do credentials "$("$INGOT" tenant kubeconfig $tenant)" $tenant; done
blobs=/clusters/vision/blobs

head -c 40000000 /dev/urandom >"$work/big"
big=$(digest "$work/big")
printf hello >"$work/small"
small=$(digest "$work/small")

# One piece.
answers "a blob is put in one piece" 201 "Location: $blobs/$small" vision PUT "$blobs/$small" --data-binary "@$work/small"
answers "and read" 200 "content-length: 5" vision GET "$blobs/$small"
cmp -s "$work/body" "$work/small" && ok "byte by byte" || fail "byte by byte"
answers "its head says its length" 200 "content-length: 5" vision HEAD "$blobs/$small" --head
answers "a range of it" 206 "content-range: bytes 1-3/5" vision GET "$blobs/$small" -H "Range: bytes=1-3"
[[ $(cat "$work/body") == ell ]] && ok "is that range" || fail "is that range" "$(cat "$work/body")"
answers "a range beyond it" 416 "bytes \*/5" vision GET "$blobs/$small" -H "Range: bytes=9-"
[[ $(stat -c %a "$(find "$INGOT_DATA/blobs" -name "${small#sha256:}")") == 600 ]] && ok "nobody else reads its file" || fail "nobody else reads its file"

# Pieces, and a kill in the middle.
answers "an upload begins" 202 "upload-offset: 0" vision POST "$blobs/uploads"
at=$(header Location)
head -c 15000000 "$work/big" >"$work/first"
answers "its first piece" 202 "range: 0-14999999" vision PATCH "$at" -H "Content-Range: 0-14999999" --data-binary "@$work/first"
restart
answers "after kill -9 it is still there" 204 "range: 0-14999999" vision GET "$at"
answers "a piece that does not fit is refused" 416 "upload-offset: 15000000" vision PATCH "$at" -H "Content-Range: 5-9" --data-binary "@$work/small"
# Killed while the second piece comes in: what is there then is gone on from.
tail -c +15000001 "$work/big" >"$work/rest"
as vision PATCH "$at" --limit-rate 5M -H "Content-Range: 15000000-39999999" --data-binary "@$work/rest" >/dev/null 2>&1 &
sleep 1.5
restart
wait %% 2>/dev/null
answers "after kill -9 within a piece" 204 "upload-offset" vision GET "$at"
offset=$(header Upload-Offset)
((offset > 15000000 && offset < 40000000)) && ok "some of it is there ($offset)" || fail "some of it is there" "$offset"
tail -c +$((offset + 1)) "$work/big" >"$work/rest"
answers "it is gone on with and finished" 201 "$big" vision PUT "$at?digest=$big" -H "Content-Range: $offset-39999999" --data-binary "@$work/rest"
answers "and read" 200 "" vision GET "$blobs/$big"
cmp -s "$work/body" "$work/big" && ok "every byte of it" || fail "every byte of it"
answers "a finished upload is gone" 404 "begin another" vision GET "$at"
answers "an upload is aborted" 202 "" vision POST "$blobs/uploads"
answers "with DELETE" 204 "" vision DELETE "$(header Location)"

# What is not what it says.
answers "wrong bytes are refused" 422 "the bytes sent are $small" vision PUT "$blobs/$big" --data-binary "@$work/small"
answers "no digest" 422 "is no digest" vision PUT "$blobs/sha256:abc" --data-binary "@$work/small"
answers "no way out of the store" 400 "" vision GET "$blobs/..%2f..%2fingot.db"
answers "nor by dots" 400 "" vision PUT "$blobs/../../x" --path-as-is --data-binary "@$work/small"
answers "nor in an upload's name" 404 "" vision GET "$blobs/uploads/..."

# Once in a tenant, and no tenant finds another's.
before=$(stored)
answers "the same bytes again" 201 "" vision PUT "$blobs/$big" --data-binary "@$work/big"
[[ $(stored) == "$before" ]] && ok "are kept once" || fail "are kept once" "$(stored) files, $before before"
answers "another tenant is refused" 401 "" speech GET "$blobs/$small"
answers "also to write" 401 "" speech PUT "$blobs/$small" --data-binary "@$work/small"
answers "a digest finds nothing elsewhere" 404 "" speech GET "/clusters/speech/blobs/$small"
answers "what is missing is told" 200 "\"missing\":\[\"sha256:0{64}\"\]" vision POST "$blobs/missing" \
  -d "{\"digests\":[\"$small\",\"sha256:$(printf '0%.0s' {1..64})\"]}"

# The limit, as a quantity of the Tenant.
answers "a limit is kept" 403 "spec.storage.limit: limit of 1Mi reached" speech PUT "/clusters/speech/blobs/$big" --data-binary "@$work/big"
answers "also where no length is said" 403 "spec.storage.limit" speech PUT "/clusters/speech/blobs/$big" -H "Transfer-Encoding: chunked" --data-binary "@$work/big"
answers "nothing of it is left" 200 '"bytes":0,"limit":1048576' speech GET /clusters/speech/blobs
answers "what fits is taken" 201 "" speech PUT "/clusters/speech/blobs/$small" --data-binary "@$work/small"

# Data sets.
mkdir -p "$work/set/train"
for i in {1..200}; do echo "$i" >"$work/set/train/$i.csv"; done
cp "$work/small" "$work/set/hello"
expect "a data set is added" '^digits v1: 201 files, .*, 200 new$' "$INGOT" dataset add digits "$work/set" --tenant vision --class public --message first
expect "nothing new is no version" '^digits v1: 201 files, .*, unchanged$' "$INGOT" dataset add digits "$work/set" --tenant vision
echo more >"$work/set/more"
expect "a second version" '^digits v2: 202 files, .*, 1 new$' "$INGOT" dataset add digits "$work/set" --tenant vision
expect "they are listed" '^digits +public +v2 +202 ' "$INGOT" dataset list --tenant vision
expect "and shown" '^v1 +201 .* first$' "$INGOT" dataset show digits --tenant vision
expect "a version is written out" '^digits v1: 201 files' "$INGOT" dataset get digits@1 "$work/out" --tenant vision
rm "$work/set/more"
diff -r "$work/set" "$work/out" >/dev/null && ok "as it was" || fail "as it was"
refused "not over what is there" 'is not empty' "$INGOT" dataset get digits "$work/out" --tenant vision
refused "no such version" 'has no data set digits@7' "$INGOT" dataset get digits@7 "$work/none" --tenant vision
refused "another class is told" 'has classification "public"' "$INGOT" dataset add digits "$work/set" --tenant vision --class restricted
refused "whose must be clear" 'name the tenant with --tenant: speech, vision' "$INGOT" dataset list
tar -C "$work/set" -cf "$work/set.tar" .
expect "a tar archive is the same set" '^digits v3: 201 files, .*, 0 new$' "$INGOT" dataset add digits "$work/set.tar" --tenant vision
ln -s /etc/passwd "$work/set/link"
refused "links are refused" 'is a link: a data set holds files' "$INGOT" dataset add digits "$work/set" --tenant vision
tar -C "$work/set" -cf "$work/link.tar" link
refused "also in archives" 'is a link' "$INGOT" dataset add digits "$work/link.tar" --tenant vision
tar -C "$work/set" --transform 's|hello|../../hello|' -P -cf "$work/out.tar" hello
refused "and ways out of them" 'a path outside itself' "$INGOT" dataset add digits "$work/out.tar" --tenant vision
find "$INGOT_DATA/blobs" -name "${small#sha256:}" | while read -r victim; do printf jello >"$victim"; done
refused "bytes that changed are noticed" 'gave other bytes' "$INGOT" dataset get digits@1 "$work/bad" --tenant vision

# A disk that is full: said so, nothing half is left, and deletes and the API still work.
if [[ $(id -u) == 0 ]] && mkdir -p "$work/tiny" && mount -t tmpfs -o size=40m tmpfs "$work/tiny" 2>/dev/null; then
  hooks+=('umount -l "$work/tiny"')
  "$INGOT" down >/dev/null
  mv "$INGOT_DATA/blobs" "$work/aside" && mkdir "$work/tiny/blobs" && mkdir -m 700 "$INGOT_DATA/blobs" && mount --bind "$work/tiny/blobs" "$INGOT_DATA/blobs"
  hooks+=('umount -l "$INGOT_DATA/blobs"')
  listen=$address up full --gpus none
  answers "a full disk says so" 507 "the disk that holds the blobs is full" vision PUT "$blobs/$big" --data-binary "@$work/big"
  answers "also where no length is said" 507 "the disk that holds the blobs is full" vision PUT "$blobs/$big" -H "Transfer-Encoding: chunked" --data-binary "@$work/big"
  [[ $(find "$INGOT_DATA/blobs" -type f | wc -l) == 0 ]] && ok "nothing half is left" || fail "nothing half is left" "$(find "$INGOT_DATA/blobs" -type f)"
  answers "what fits is taken" 201 "" vision PUT "$blobs/$small" --data-binary "@$work/small"
else
  skip "a full disk says so" "not root, or no tmpfs"
fi
exit $failed
