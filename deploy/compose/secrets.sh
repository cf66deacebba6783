#!/bin/sh
# Writes the secrets of compose.yaml into the directory `secrets` next to this script: random passwords, and the keys of
# the simulated vendor. Existing files stay.
set -eu
cd "$(dirname "$0")"

# The directory protects the files. The containers have other users, so the files themselves are readable.
mkdir -p secrets
chmod 700 secrets
umask 022

random() {
    od -An -N24 -tx1 /dev/urandom | tr -d ' \n'
}

# secret NAME VALUE
secret() {
    if ! [ -e "secrets/$1" ]; then
        printf '%s\n' "$2" >"secrets/$1"
    fi
}

secret postgres-password "$(random)"
secret argos-sync-password "$(random)"
secret database-url "postgres://argos_sync:$(cat secrets/argos-sync-password)@postgres/warehouse?sslmode=disable"
secret pseudonym-key "$(random)"
secret grafana-password "$(random)"
secret main-key simulated-idcheck-key
secret face-key simulated-faceauth-key
