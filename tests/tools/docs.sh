#!/usr/bin/env bash
# Build the documentation site into build/docs/html: the guides of docs/docsite/rst, and a page for each plugin, module and role.
set -euo pipefail
cd "$(dirname "$0")/../.."
. tests/tools/common.sh

site=build/docs
isolate_ansible
rm -rf "$site/rst"
mkdir -p "$site/rst"
chmod go-w "$site/rst" # antsibull-docs refuses a directory that others may write
PATH="$PWD/.venv/bin:$PATH"
antsibull-docs --config-file docs/sphinx/antsibull-docs.cfg collection --use-current --squash-hierarchy --fail-on-error \
    --cleanup everything --dest-dir "$site/rst" rollcall.discovery
sphinx-build -q -W --keep-going -c docs/sphinx -b html "$site/rst" "$site/html"
say "the site is in $site/html/index.html"
