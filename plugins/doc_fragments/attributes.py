# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """Attributes of modules.

    ``rollcall.discovery.attributes`` is for all modules, ``.attributes.info`` in addition for modules that only read.
    """

    DOCUMENTATION = r"""
attributes:
  check_mode:
    description: Can run in C(check_mode) and report what would change, without changing anything.
  diff_mode:
    description: Returns details on what has changed (or would change in C(check_mode)) in diff mode.
  idempotent:
    description: When run twice in a row outside C(check_mode), with the same arguments, the second run changes nothing.
  action_group:
    description: Use C(group/rollcall.discovery.etcd) in C(module_defaults) to set the connection options once.
    support: full
    membership:
      - rollcall.discovery.etcd
"""

    INFO = r"""
attributes:
  check_mode:
    support: full
    details:
      - This module changes nothing.
  diff_mode:
    support: N/A
    details:
      - This module changes nothing.
  idempotent:
    support: full
    details:
      - This module changes nothing.
"""
