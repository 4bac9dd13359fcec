# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Settings of the documentation site, which `make docs` builds without any access to the network."""

project = "rollcall.discovery"
copyright = "2026, Rollcall contributors"
extensions = ["sphinx_antsibull_ext"]
exclude_patterns = ["collections/environment_variables.rst"]
highlight_language = "yaml"
html_theme = "alabaster"
html_theme_options = {
    "description": "Infrastructure discovery on etcd, for Ansible",
    "fixed_sidebar": True,
    "page_width": "1280px",
    "sidebar_width": "280px",
    "body_max_width": "100%",
}
html_static_path = ["static"]
html_show_sphinx = False
html_copy_source = False
nitpicky = True


def is_foreign(target):
    """Whether a link leads to the documentation of ansible-core or another collection, which is not fetched."""
    ours = ("ansible_collections.rollcall.discovery.", "ANSIBLE_ROLLCALL_")
    foreign = ("ansible_collections.", "ansible_configuration_settings", "common_return_values", "ANSIBLE_")
    return target.startswith(foreign) and not target.startswith(ours)


def setup(app):
    """Print such a link as plain text. All other missing targets stay errors."""
    app.connect("missing-reference", lambda _app, _env, node, text: text if is_foreign(node["reftarget"]) else None)
