# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: runtime
short_description: The program that nodes run, as one archive
author:
  - Rollcall contributors (@rollcall)
version_added: 0.1.0
description:
  - Packs the Python package C(rollcall), which a node runs to register itself or to render templates, into a C(.tar.gz)
    file on the controller, and returns its path.
  - The same collection gives the same file name and the same content, at any time, for any user and umask, so
    that a node which has it already is left alone.
  - The name of the file carries the version of the collection and a digest of the content.
  - The archive unpacks to a directory C(rollcall/) and a file C(VERSION), a JSON object with C(version) and C(digest).
    That file is the last member of the archive, so a node that has it has everything.
  - In the directory where it was unpacked, C(python3 -m rollcall) is the command.
notes:
  - The file lies in Ansible's own temporary directory and is deleted with it when the run ends.
  - The role P(rollcall.discovery.agent#role) uses this lookup; there is seldom a need to call it by hand.
options: {}
"""

EXAMPLES = r"""
- name: Put the runtime on the node, unless it is there
  vars:
    archive: "{{ lookup('rollcall.discovery.runtime') }}"
    directory: "/opt/rollcall/{{ archive | basename | regex_replace('[.]tar[.]gz$', '') }}"
  block:
    - name: Make its directory
      ansible.builtin.file:
        path: "{{ directory }}"
        state: directory
        mode: "0755"

    - name: Unpack it
      ansible.builtin.unarchive:
        src: "{{ archive }}"
        dest: "{{ directory }}"
        creates: "{{ directory }}/VERSION"
"""

RETURN = r"""
_raw:
  description: The path of the archive on the controller, the only item of a list.
  type: list
  elements: path
  sample: [~/.ansible/tmp/ansible-local-4711x/rollcall-1.0.0-0123456789ab.tar.gz]
"""

import typing as t

from ansible import constants as C
from ansible.plugins.lookup import LookupBase

from ansible_collections.rollcall.discovery.plugins.plugin_utils import _plugin, _runtime
from ansible_collections.rollcall.discovery.plugins.plugin_utils._errors import PluginError


class LookupModule(LookupBase):
    """Packs the runtime and returns the path of the archive."""

    def run(self, terms: list[t.Any], variables: t.Any = None, **kwargs: t.Any) -> list[str]:
        if terms:
            raise PluginError("The lookup rollcall.discovery.runtime takes no terms: there is one runtime")
        _plugin.lookup_options(self, variables, kwargs)
        root = _runtime.collection_root()
        archive = _runtime.pack(_runtime.collect(root), _runtime.collection_version(root))
        return [_runtime.store(archive, C.DEFAULT_LOCAL_TMP)]
