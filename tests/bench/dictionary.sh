#!/usr/bin/env bash
# Trains src/warehouse/raw/items.dict, with which argos-sync compresses raw items, on simulated ones: tests/bench/dictionary.sh
#
# Bodies name the dictionary they need by its id. One that was released is never replaced: a new one is added beside it.
# Needs zstd, curl, jq and a built argos-sync (cargo build --release).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

readonly DICTIONARY=src/warehouse/raw/items.dict BYTES_MAX=16384 ID=20261122
scratch=$(mktemp -d)
readonly scratch
trap 'kill $(jobs -p) 2>/dev/null; rm -rf "$scratch"' EXIT

# Serves items of one shape, and puts each into a file of its own.
collect() {
    local name=$1 path=$2 key=$3 items=$4 port=$5
    shift 5
    target/release/argos-sync simulate --port "$port" --seed 8641 --from 2025-01-01 --to 2026-01-01 \
        --submissions 1500 --faceauths 500 "$@" >/dev/null &
    curl --silent --fail --retry 20 --retry-connrefused --retry-delay 1 --header "x-api-key: $key" \
        "http://127.0.0.1:$port/v3/$path?count=2000" | jq --compact-output "$items" |
        split --lines 1 --suffix-length 4 --numeric-suffixes - "$scratch/$name-"
    kill %%
}

collect full submission simulated-idcheck-key '.Items[]' 8671 --full-list-items
collect sparse submission simulated-idcheck-key '.Items[]' 8672
collect face faceauth simulated-faceauth-key '.[].data[]' 8673
zstd -q -f --train "$scratch"/* --maxdict="$BYTES_MAX" --dictID="$ID" -o "$DICTIONARY"
ls -l "$DICTIONARY"
