"""Fixtures for clients of the keeper that a test can end in any way."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from client_process import ClientProcess

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def client(home: Path) -> Iterator[Callable[[str], ClientProcess]]:
    made: list[ClientProcess] = []

    def start(code: str) -> ClientProcess:
        made.append(ClientProcess(home, code + "\nsys.stdin.read()\n"))
        return made[-1]

    yield start
    for one in made:
        one.process.kill()
        one.process.wait(timeout=30)
        assert one.process.stdin is not None
        assert one.process.stdout is not None
        one.process.stdin.close()
        one.process.stdout.close()
        one.wait_for_the_keeper()
