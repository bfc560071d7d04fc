"""What all tests share."""

from hypothesis import HealthCheck, settings

pytest_plugins = ["pytester"]

# No deadline, and no complaint that examples are long in the making: a slow machine is not a broken one. Timings live in benchmarks/.
settings.register_profile("here", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("here")
