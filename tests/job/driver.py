"""`fnet` in a process of its own, with a lease that runs out within a test's patience."""

import sys

from fnet_cli.main import main
from fnet_ray.output import lease

lease.RENEW_SECONDS, lease.EXPIRE_SECONDS = 1.0, 6.0

sys.exit(main(sys.argv[1:]))
