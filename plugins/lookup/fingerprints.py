# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: fingerprints
short_description: Retrieve the SHA-256 fingerprints of certificates
author:
  - Rollcall contributors (@rollcall)
version_added: 0.2.0
description:
  - Returns the SHA-256 fingerprint of each certificate in texts of the PEM format, as OpenSSL prints it. A text may
    have any number of certificates; other lines in it are ignored.
  - The roles compare the certificate authority (CA) on the controller with that on hosts by these.
options:
  _terms:
    description: Texts with certificates.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Tell which CA etcd uses
  ansible.builtin.debug:
    msg: "{{ lookup('rollcall.discovery.fingerprints', lookup('ansible.builtin.file', '/etc/ssl/etcd-ca.pem')) }}"
"""

RETURN = r"""
_raw:
  description: The fingerprints, in the order of the certificates.
  type: list
  elements: str
  sample:
    - 2F:5A:0C:91:7E:44:3B:D8:10:6D:A7:F2:08:9C:55:E1:B3:7A:42:EE:19:60:C8:0B:D4:91:36:7F:AA:52:8D:04
"""

import binascii
import hashlib
import re
import ssl
import typing as t

from ansible.plugins.lookup import LookupBase

from ansible_collections.rollcall.discovery.plugins.plugin_utils import _plugin, _terms

_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----")


class LookupModule(LookupBase):
    """Reads certificates only far enough to compare them."""

    def run(self, terms: list[t.Any], variables: t.Any = None, **kwargs: t.Any) -> list[str]:
        _plugin.lookup_options(self, variables, kwargs)
        _terms.require(terms, "A text with certificates")
        texts = _terms.texts(terms, "A text with certificates", empty=True)
        return [_fingerprint(pem) for text in texts for pem in _CERTIFICATE.findall(text)]


def _fingerprint(pem: str) -> str:
    try:
        content = ssl.PEM_cert_to_DER_cert(pem)
    except (ValueError, binascii.Error):
        content = pem.encode()  # damaged, and equal to nothing but itself
    return hashlib.sha256(content).digest().hex(":").upper()
