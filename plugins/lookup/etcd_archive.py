# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: etcd_archive
short_description: Verify and read the archive of an etcd release
author:
  - Rollcall contributors (@rollcall)
version_added: 0.2.0
description:
  - Compares an archive on the controller with its checksum and returns what is inside, as its top directory and the
    headers of its programs say. The name of the file does not matter.
  - It is an error if the checksum differs, or if the file is no complete release of etcd for Linux.
  - The role P(rollcall.discovery.etcd#role) uses this lookup.
options:
  _terms:
    description:
      - Paths of archives on the controller, packed as C(etcd-vVERSION-linux-ARCH.tar.gz) of etcd's releases is.
      - A relative path begins at the directory of the playbook.
    type: list
    elements: str
    required: true
  checksum:
    description: The checksum that C(SHA256SUMS) of the release has, such as V(sha256:) and 64 hexadecimal digits.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Show which version an archive holds
  ansible.builtin.debug:
    msg: "{{ lookup('rollcall.discovery.etcd_archive', 'etcd-v3.6.14-linux-amd64.tar.gz', checksum=checksum).version }}"
  vars:
    checksum: sha256:ffe840ff9295808e88cce2794a18a5ac87f12a5203c8314d0bf6aa119b41bac5
"""

RETURN = r"""
_raw:
  description: What each archive holds.
  type: list
  elements: dict
  contains:
    path:
      description: The absolute path of the archive.
      type: path
      sample: /srv/etcd-v3.6.14-linux-amd64.tar.gz
    version:
      description: The version of the release.
      type: str
      sample: 3.6.14
    architecture:
      description: The architecture it runs on, under the name that C(ansible_facts['architecture']) has.
      type: str
      sample: x86_64
    directory:
      description: The top directory inside.
      type: str
      sample: etcd-v3.6.14-linux-amd64
    programs:
      description: Names of the programs in that directory.
      type: list
      elements: str
      sample: [etcd, etcdctl, etcdutl]
    sha256:
      description: The checksum, without V(sha256:).
      type: str
      sample: ffe840ff9295808e88cce2794a18a5ac87f12a5203c8314d0bf6aa119b41bac5
"""

import typing as t

from ansible.plugins.lookup import LookupBase

from ansible_collections.rollcall.discovery.plugins.plugin_utils import _etcd_archive, _plugin, _terms
from ansible_collections.rollcall.discovery.plugins.plugin_utils._errors import PluginError


class LookupModule(LookupBase):
    """Reads archives; nothing is unpacked."""

    def run(self, terms: list[t.Any], variables: t.Any = None, **kwargs: t.Any) -> list[dict[str, t.Any]]:
        options = _plugin.lookup_options(self, variables, kwargs)
        _terms.require(terms, "The path of an archive")
        try:
            paths = [self._loader.path_dwim(path) for path in _terms.texts(terms, "The path of an archive")]
            return [{"path": path, **_etcd_archive.read(path, options["checksum"])._asdict()} for path in paths]
        except _etcd_archive.ArchiveError as exc:
            raise PluginError(str(exc), "RC-E-ARCHIVE") from exc
