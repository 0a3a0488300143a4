"""For all tests: the same environment as a worker has."""

import fma_prep  # noqa: F401  # sets thread counts before numpy is loaded
