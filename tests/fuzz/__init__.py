# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Fuzz tests of every door through which foreign data enters: a folder with one file per kind of door."""

from __future__ import annotations

from ansible.plugins.loader import init_plugin_loader
from ansible.utils.collection_loader import AnsibleCollectionConfig

# Before anything imports the collection: its packages are known to Ansible only when Ansible itself has loaded them.
if AnsibleCollectionConfig.collection_finder is None:
    init_plugin_loader()
