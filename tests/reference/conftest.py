from __future__ import annotations

import pytest
from reference_rig import rig


@pytest.fixture
def cluster(tmp_path):
    """A cluster without a controller yet."""
    with rig(tmp_path) as running:
        yield running
