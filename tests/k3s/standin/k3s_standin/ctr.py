"""``ctr [-n k8s.io] images import [--all-platforms] -``: a tar from standard input; and ``images ls -q``."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from k3s_standin.images import loaded, take
from k3s_standin.tasks import TASKS, send

_SIGNALS = {"pause": signal.SIGSTOP, "resume": signal.SIGCONT, "kill": signal.SIGKILL}


def _task(verb: str, container: str) -> int:
    path = TASKS / container
    if verb not in _SIGNALS or not path.exists():
        print(f"ctr: {verb}: no running task found: task {container} not found", file=sys.stderr)
        return 1
    send(int(path.read_text()), _SIGNALS[verb])
    return 0


def main() -> int:
    """Do one command."""
    words = [word for word in sys.argv[1:] if word not in ("-n", "--namespace", "k8s.io")]
    if words[:2] in (["images", "ls"], ["image", "ls"]):
        loaded.rescan()
        print("\n".join(sorted(loaded.names)))
        return 0
    if words[:1] in (["tasks"], ["task"]):
        return _task(words[1], words[-1])
    if words[:2] not in (["images", "import"], ["image", "import"]):
        print(f"ctr: not imitated: {' '.join(words)}", file=sys.stderr)
        return 1
    with tempfile.NamedTemporaryFile() as file:
        if words[-1] == "-":
            shutil.copyfileobj(sys.stdin.buffer, file)
        else:
            file.write(Path(words[-1]).read_bytes())
        file.flush()
        names = take(Path(file.name))
    for name in sorted(names):
        print(f"unpacking {name}...done")
    os.kill(1, signal.SIGUSR1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
