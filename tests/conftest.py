"""Set before any library starts its threads: one thread each.

The nets of the tests are tiny, and two threads of one process that wait for each other on a busy machine are slower
by far than one.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

from hypothesis import settings

# An example that took long on a busy machine says nothing about the code: no limit of time for one.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")
