# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A wire between an agent and etcd that can be cut: a process that passes on what it gets, and is frozen."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys


class Wire:
    """Leads from `endpoint` to a port of this machine. A context manager."""

    def __init__(self, port: int) -> None:
        self._process = subprocess.Popen([sys.executable, __file__, str(port)], stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.endpoint = f"http://127.0.0.1:{int(self._process.stdout.readline())}"

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *exc: object) -> None:
        self._process.kill()
        self._process.communicate()

    def cut(self) -> None:
        """Silence, as dropped packets are: nobody is told that a connection is no more."""
        self._process.send_signal(signal.SIGSTOP)

    def mend(self) -> None:
        """Let through what was sent meanwhile, and what comes."""
        self._process.send_signal(signal.SIGCONT)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass  # one end is gone, so the other may go, too
    finally:
        writer.close()


async def _serve(port: int) -> None:
    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            writer.close()
            return
        await asyncio.gather(_pump(reader, far_writer), _pump(far_reader, writer))

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1])))
