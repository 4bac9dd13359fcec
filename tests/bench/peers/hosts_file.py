# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An inventory plugin that only adds the hosts of a file, each line of which has a name, an address and groups."""

from ansible.plugins.inventory import BaseInventoryPlugin

DOCUMENTATION = """
name: hosts_file
short_description: Hosts of a file
description: Adds the hosts of a file.
options: {}
"""


class InventoryModule(BaseInventoryPlugin):
    NAME = "hosts_file"

    def verify_file(self, path):
        return path.endswith(".hosts")

    def parse(self, inventory, loader, path, cache=True):
        super().parse(inventory, loader, path, cache)
        with open(path, encoding="utf-8") as file:
            for line in file:
                name, address, *groups = line.split()
                inventory.add_host(name)
                inventory.set_variable(name, "ansible_host", address)
                for group in groups:
                    inventory.add_group(group)
                    inventory.add_child(group, name)
