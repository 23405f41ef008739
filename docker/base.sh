#!/usr/bin/env bash
# Makes a base image for docker/Dockerfile where no image can be pulled: Debian by debootstrap.
#
#   sudo docker/base.sh bulwark-base:bookworm
#   docker build -f docker/Dockerfile --build-arg BASE_IMAGE=bulwark-base:bookworm -t bulwark .
#
# Needs root, debootstrap and a Docker engine. The machine's trusted certificates go along, so that a
# build behind a proxy that inspects TLS works as the machine itself does.
set -euo pipefail

tag=${1:?"usage: docker/base.sh IMAGE:TAG"}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

debootstrap --variant=minbase \
  --include=python3.11,python3.11-venv,python3-distutils,libsodium23,ca-certificates \
  bookworm "$folder/root" >"$folder/log" 2>&1 || { tail -20 "$folder/log" >&2; exit 1; }
cp /etc/ssl/certs/ca-certificates.crt "$folder/root/etc/ssl/certs/ca-certificates.crt"
rm -rf "$folder"/root/var/cache/apt/archives/*.deb "$folder"/root/var/lib/apt/lists/*
tar -C "$folder/root" -c . | docker import --change 'CMD ["/bin/bash"]' - "$tag"
