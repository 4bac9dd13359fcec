# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """What can be said of a module as a whole.

    ``rollcall.discovery.attributes`` is for every module, and beside it ``.attributes.info`` for those that only read.
    """

    DOCUMENTATION = r"""
attributes:
  check_mode:
    description: Can run in C(check_mode) and tell what would change, changing nothing.
  diff_mode:
    description: Tells in diff mode what has changed, or in C(check_mode) what would change.
  idempotent:
    description: When run twice in a row outside C(check_mode), with the same arguments, the second run changes nothing.
  action_group:
    description: Use C(group/rollcall.discovery.etcd) in C(module_defaults) to give the connection options once.
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
