# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: certificate
short_description: Retrieve or make a certificate of a CA on the controller
author:
  - Rollcall contributors (@rollcall)
version_added: 0.2.0
description:
  - Returns the files of a certificate that lies on the controller. A missing file is created, as
    P(rollcall.discovery.password#lookup) does with passwords, the certificate authority (CA) included.
  - If a vault password is loaded, as with C(--vault-password-file), keys are encrypted with ansible-vault. Encrypted
    keys are read; M(ansible.builtin.copy) decrypts them.
  - The CA is made once, valid for ten years, and its key never leaves O(directory).
  - A certificate that is about to end, or has other names than the given ones, is renewed. Its key stays.
  - Certificates are good for a member of etcd, as server and as client of the other members. They carry no CN, since
    etcd would take a client without a token for the user of that name.
notes:
  - Who holds any certificate of the CA can join a cluster whose members trust it. Make client certificates in
    another O(directory).
  - The role P(rollcall.discovery.etcd#role) uses this lookup.
options:
  _terms:
    description: The names of the certificates, and of their files.
    type: list
    elements: str
    required: true
  directory:
    description:
      - Directory of the controller with the CA (C(ca.crt), C(ca.key)) and its certificates.
      - It is created if it is missing, with mode 0700. One that other users can write is refused, as is a key
        in it that others can read and that is not encrypted.
    type: path
    required: true
  create_ca:
    description: Whether a missing CA is created. With V(false) that is an error.
    type: bool
    default: true
  names:
    description: IP addresses and DNS names under which the certificates are valid.
    type: list
    elements: str
    default: []
  days:
    description: Days for which a new certificate is valid.
    type: int
    default: 365
  renew_before:
    description: A certificate that is valid for less than so many days is renewed.
    type: int
    default: 30
"""

EXAMPLES = r"""
- name: Install a certificate
  ansible.builtin.copy:
    src: "{{ lookup('rollcall.discovery.certificate', 'etcd1', directory='credentials/tls', names=names).cert }}"
    dest: /etc/etcd/tls/server.crt
    mode: "0644"
  vars:
    names: [10.0.0.11, etcd1, localhost]
"""

RETURN = r"""
_raw:
  description: The files of each certificate.
  type: list
  elements: dict
  contains:
    ca_cert:
      description: The certificate of the CA.
      type: path
      sample: credentials/tls/ca.crt
    cert:
      description: The certificate.
      type: path
      sample: credentials/tls/etcd1.crt
    key:
      description: Its private key.
      type: path
      sample: credentials/tls/etcd1.key
"""

import re
import typing as t
from pathlib import Path

from ansible.plugins.lookup import LookupBase

from ansible_collections.rollcall.discovery.plugins.plugin_utils import _pki, _plugin, _terms
from ansible_collections.rollcall.discovery.plugins.plugin_utils._credentials import CredentialsDirectory
from ansible_collections.rollcall.discovery.plugins.plugin_utils._errors import PluginError


class LookupModule(LookupBase):
    """Makes what is missing and returns paths; no secret passes through here."""

    def run(self, terms: list[t.Any], variables: t.Any = None, **kwargs: t.Any) -> list[dict[str, str]]:
        options = _plugin.lookup_options(self, variables, kwargs)
        _terms.require(terms, "The name of a certificate")
        directory = CredentialsDirectory(Path(options["directory"]), _plugin.vault_of(self))
        authority = _pki.Authority(directory, options["create_ca"])
        found = []
        for name in _terms.texts(terms, "The name of a certificate", empty=True):
            if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,199}", name) or name == "ca":
                raise PluginError(f"The certificate {name!r} cannot have that name: it is also the name of its files")
            paths = authority.ensure(name, options["names"], options["days"], options["renew_before"])
            found.append({field: str(path) for field, path in paths._asdict().items()})
        return found
