# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""TLS as checks need it: from files that may be replaced.

Internal to the collection: no promise is made to other users of this file.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ..._etcd.certificates import certificates
from ..._etcd.settings import Tls
from ..config import Section

if t.TYPE_CHECKING:
    import ssl


@dataclasses.dataclass(frozen=True)
class Secured:
    """How a check does TLS."""

    tls: Tls

    @classmethod
    def configure(cls, section: Section, wanted: bool) -> t.Optional[Secured]:
        """From the keys of a check that are named as those of the way to etcd; None unless TLS is `wanted`.

        Raises ConfigError.
        """
        names = ("ca_cert", "client_cert", "client_key", "tls_server_name")
        texts = {name: section.text(name) for name in names}
        verify = section.flag("validate_certs", True)
        given = next(filter(texts.get, texts), "" if section.get("validate_certs") is None else "validate_certs")
        if given and not wanted:
            raise section.error(given, "this check does no TLS")
        if bool(texts["client_cert"]) != bool(texts["client_key"]):
            raise section.error("client_cert", "client_cert and client_key belong together: give both, or neither")
        server_name = texts.pop("tls_server_name")
        return cls(Tls(**texts, verify=verify, server_name=server_name)) if wanted else None

    def context(self, seconds: float) -> ssl.SSLContext:
        """The files, loaded. Raises InvalidSettings."""
        return certificates(self.tls).context(seconds)
