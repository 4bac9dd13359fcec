#!/usr/bin/env bash
# Build the collection and put the tarball through galaxy-importer, as Galaxy does when it takes a release.
set -euo pipefail
cd "$(dirname "$0")/../.."
. tests/tools/common.sh

isolate_ansible
root=$PWD
export PATH=$root/.venv/bin:$PATH
rm -rf build/galaxy
mkdir -p build/galaxy
ansible-galaxy collection build --output-path build/galaxy
tarball=$(echo "$root"/build/galaxy/rollcall-discovery-*.tar.gz)

# What a user gets is what is on this list; the rest belongs into build_ignore of galaxy.yml.
allowed='^(FILES.json|MANIFEST.json|(README|ARCHITECTURE|CHANGELOG|CODE_OF_CONDUCT|CONTRIBUTING|SECURITY).md|LICENSE|rollcall.py)$'
allowed+='|^(changelogs|docs|examples|extensions|meta|playbooks|plugins|roles)(/|$)'
unwanted=$(tar -tzf "$tarball" | sed 's,^\./,,' | grep -Ev "$allowed" || true)
if [ -n "$unwanted" ]; then
    printf 'the tarball has what no user needs:\n%s\n' "$unwanted"
    exit 1
fi

# The importer ends well even when a step of it failed: read what it says. It writes into its working directory.
cd build/galaxy
GALAXY_IMPORTER_CONFIG=$root/tests/tools/galaxy-importer.cfg HOME=$root/build/galaxy \
    python -m galaxy_importer.main "$tarball" 2>&1 | tee importer.log
if grep -E '^(ERROR|WARNING)' importer.log >&2 || ! grep -q 'Importer processing completed successfully' importer.log; then
    echo "galaxy-importer found fault with the collection: see $PWD/importer.log" >&2
    exit 1
fi
