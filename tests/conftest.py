"""Set before any library starts its threads: one thread each.

The nets of the tests are tiny, and two threads of one process that wait for each other on a busy machine are slower
by far than one.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
