"""Stands in for the Versity S3 gateway: moto's server, with the gateway's arguments ``--port :7070 posix /data``.

As with the gateway, each folder below the last argument is a bucket. Objects are kept in memory.
"""

import signal
import sys
import urllib.request
from pathlib import Path

from moto.moto_server.threaded_moto_server import ThreadedMotoServer

port = int(sys.argv[sys.argv.index("--port") + 1].lstrip(":"))
server = ThreadedMotoServer("0.0.0.0", port)
server.start()
for folder in Path(sys.argv[-1]).iterdir():
    urllib.request.urlopen(urllib.request.Request(f"http://127.0.0.1:{port}/{folder.name}", method="PUT"), timeout=10)
# The first process of a container is ended by SIGTERM only if it handles it.
signal.signal(signal.SIGTERM, lambda *_: sys.exit())
signal.pause()
