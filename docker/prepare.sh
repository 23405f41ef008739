#!/bin/sh
# Makes the alliance of docker/compose.yaml once: a home in each member's volume, and for the demo the
# API keys of all members in one. Runs as root in a container without network, to hand the files over.
set -eu

owner=10001:10001
members="northbank rivertel harbour-savings hilltel regulator"

if [ -f /desk/devnet.json ]; then
  echo "the alliance is there already"
  exit 0
fi
# What an earlier, interrupted run left behind belongs to an alliance that no node ever saw.
for member in $members; do
  find "/homes/$member" "/desk" -mindepth 1 -delete
done

made=$(mktemp -d)
bulwark genesis new --config /etc/bulwark/alliance.toml --out "$made/alliance" --unattended
cp "$made/alliance/genesis.json" /desk/
entries=""
for member in $members; do
  cp -a "$made/alliance/$member/." "/homes/$member/"
  cp "$made/alliance/$member/api_keys.clear.json" "/desk/$member.json"
  rm "/homes/$member/api_keys.clear.json"
  chown -R "$owner" "/homes/$member"
  chmod 0700 "/homes/$member"
  role=validator
  [ "$member" = regulator ] && role=observer
  entries="$entries{\"name\":\"$member\",\"role\":\"$role\",\"rest_url\":\"http://$member:8000\",\"api_keys_file\":\"$member.json\"},"
done
chown -R "$owner" /desk
chmod 0700 /desk
# The authority's key is for nobody in here: members that join later need an alliance of their own.
rm -rf "$made"
printf '{"nodes":[%s]}\n' "${entries%,}" > /desk/devnet.json.part
chown "$owner" /desk/devnet.json.part
mv /desk/devnet.json.part /desk/devnet.json
echo "made the alliance"
