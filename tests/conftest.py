"""What all tests share."""

import signal

from hypothesis import HealthCheck, settings

pytest_plugins = ["pytester"]

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell has what it starts in the background ignore Ctrl-C; tests send it to themselves, and to runs that would inherit this.
    signal.signal(signal.SIGINT, signal.default_int_handler)

# No deadline, and no complaint that examples are long in the making: a slow machine is not a broken one. Timings live in benchmarks/.
settings.register_profile("here", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("here")
