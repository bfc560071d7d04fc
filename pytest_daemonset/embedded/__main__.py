"""python -m pytest_daemonset.embedded: the API server as a program."""

from __future__ import annotations

import sys


def main() -> int:
    """Run the server; 0 when it was told to end, 1 when it could not start."""
    from pytest_daemonset.embedded.settings import parse

    settings = parse(sys.argv[1:])
    from pytest_daemonset.embedded import eventloop
    from pytest_daemonset.embedded.logs import log_to_stderr
    from pytest_daemonset.embedded.program import run

    log_to_stderr()
    try:
        eventloop.run(run(settings), settings.event_loop)
    except OSError as error:
        print(f"pytest_daemonset.embedded: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
