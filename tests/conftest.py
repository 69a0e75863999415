"""Settings of the whole suite: machines differ in speed, so no example has a deadline."""

from hypothesis import settings

settings.register_profile("pullback", deadline=None)
settings.load_profile("pullback")
