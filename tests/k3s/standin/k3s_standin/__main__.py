"""The entry point ``k3s``: ``server`` and ``agent``."""

from __future__ import annotations

import asyncio
import sys

from k3s_standin import VERSION
from k3s_standin.settings import SettingsError, read


def main() -> int:
    """Run one command; 1 when it ends, however it ends, as k3s does."""
    words = sys.argv[1:] or ["agent"]
    if words[0] in ("--version", "-v"):
        print(f"k3s version {VERSION} (stand-in of pytest-daemonset, not k3s)")
        return 0
    try:
        if words[0] == "server":
            from k3s_standin.server import serve

            asyncio.run(serve(read(words[1:])))
        elif words[0] == "agent":
            from k3s_standin.agent import join

            asyncio.run(join(read(words[1:])))
        else:
            print(f'No help topic for "{words[0]}"', file=sys.stderr)
            return 3
    except SettingsError as error:
        print(f'level=fatal msg="{error}"', file=sys.stderr)
    except (KeyboardInterrupt, asyncio.CancelledError):
        print('level=fatal msg="flannel exited: <nil>"', file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
