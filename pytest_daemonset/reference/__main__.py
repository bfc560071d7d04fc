"""`python -m pytest_daemonset.reference`."""

from __future__ import annotations

import sys

from pytest_daemonset.reference.program import main

sys.exit(main())
