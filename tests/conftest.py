"""What all tests share."""

from hypothesis import settings

pytest_plugins = ["pytester"]

# No deadline: a slow machine is not a broken one. Timings live in benchmarks/.
settings.register_profile("here", deadline=None)
settings.load_profile("here")
