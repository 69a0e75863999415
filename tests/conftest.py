"""Settings of the whole suite: machines differ in speed, so no example has a deadline; machine code is kept on disk for
this run alone, so that no other run's code is tested, and nothing is left in the user's own cache."""

import os
import tempfile

from hypothesis import settings

settings.register_profile("pullback", deadline=None)
settings.load_profile("pullback")

_cache = tempfile.TemporaryDirectory(prefix="pullback-")
os.environ["PULLBACK_CACHE"] = _cache.name
