"""For the measured workers: loopback stands for the internet.

Every check runs as in production, but 127.0.0.1 counts as a public address, and the authority of the benchmark's
certificates is trusted. Python imports this module at start, because it is on its path.
"""

import os
import sys

if "gevent" in sys.orig_argv:
    from gevent import monkey

    monkey.patch_all()  # as Celery is about to, but before anything below imports ssl

if "celery" in sys.orig_argv:
    import certifi

    certifi.where = lambda: os.environ["BENCHMARK_AUTHORITY"]  # before requests takes it over

    import ipaddress

    from requests_hardened import ip_filter, ip_filter_adapter

    is_global = ipaddress.IPv4Address.is_global.fget

    ipaddress.IPv4Address.is_global = property(lambda self: self.is_loopback or is_global(self))
    ip_filter_adapter.filter_host = lambda name, port, **_: ip_filter.filter_host(name, port, allow_loopback=True)
