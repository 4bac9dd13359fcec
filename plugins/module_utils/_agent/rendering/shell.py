# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Running a command that may hang.

Internal to the collection: no promise is made to other users of this file.
"""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import typing as t

_KEPT = 8192  # bytes of output, from its end


class Ended(t.NamedTuple):
    """How a command ended: its exit status, None where it was killed for taking too long; and what it printed."""

    status: t.Optional[int]
    output: str

    @property
    def ok(self) -> bool:
        """Whether it succeeded."""
        return self.status == 0

    def story(self, command: str, timeout: float) -> str:
        """For a message: what happened to `command`, and the last line it printed."""
        what = f"killed after {timeout:g} s" if self.status is None else f"exit status {self.status}"
        lines = [line.strip() for line in self.output.splitlines() if line.strip()]
        return f"{command}: {what}" + (f": {lines[-1][:300]}" if lines else "")


def run(command: str, timeout: float) -> Ended:
    """Run `command` with /bin/sh. After `timeout` seconds it is killed, with all the processes it has started.

    The output goes to a file, so that a daemon that was started and holds it open is not waited for.
    """
    with tempfile.TemporaryFile() as output:
        # A daemon of ours has no AnsibleModule.
        process = subprocess.Popen(  # pylint: disable=ansible-bad-function
            ["/bin/sh", "-c", command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            status: t.Optional[int] = process.wait(timeout)
        except subprocess.TimeoutExpired:
            status = None
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        output.seek(max(0, output.seek(0, os.SEEK_END) - _KEPT))
        return Ended(status, output.read().decode("utf-8", "replace"))
