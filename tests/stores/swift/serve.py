"""OpenStack Swift with its S3 middleware, all four servers in one process: ``serve.py FOLDER PORT``.

It runs in an environment of its own (``requirements.txt`` beside it). One device, one replica, the keys ``testing``.
Objects are files below FOLDER, whose file system must have extended attributes.
"""

import logging
import os
import sys
from pathlib import Path

import eventlet

eventlet.monkey_patch()

from eventlet import wsgi
from swift.common import utils
from swift.common.ring import RingBuilder
from swift.common.storage_policy import reload_storage_policies
from swift.common.wsgi import SwiftHttpProtocol, loadapp

_BACK_END = """\
[DEFAULT]
devices = {devices}
swift_dir = {folder}
mount_check = false
fallocate_reserve = 0
disable_fallocate = true
[app:main]
use = egg:swift#{server}
"""
_PROXY = """\
[DEFAULT]
swift_dir = {folder}
[pipeline:main]
pipeline = catch_errors proxy-logging s3api tempauth copy slo dlo versioned_writes proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
allow_account_management = true
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:proxy-logging]
use = egg:swift#proxy_logging
[filter:s3api]
use = egg:swift#s3api
# Parts of the unit tests are smaller than S3's least size, to save time.
min_segment_size = 1048576
location = us-east-1
[filter:tempauth]
use = egg:swift#tempauth
user_test_testing = testing .admin
user_test_denied = denied
[filter:copy]
use = egg:swift#copy
[filter:slo]
use = egg:swift#slo
[filter:dlo]
use = egg:swift#dlo
[filter:versioned_writes]
use = egg:swift#versioned_writes
"""
_DEVICE = "one"


def _listen(port: int) -> "eventlet.greenio.GreenSocket":
    return eventlet.listen(("127.0.0.1", port), backlog=256)


def _serve(listener: "eventlet.greenio.GreenSocket", conf: Path) -> "eventlet.greenthread.GreenThread":
    log = logging.getLogger(conf.stem)
    app = loadapp(str(conf), global_conf={"log_name": conf.stem})
    return eventlet.spawn(wsgi.server, listener, app, log, protocol=SwiftHttpProtocol, log_output=False)


def main() -> None:
    """Serve until the process is ended."""
    folder, port = Path(sys.argv[1]), int(sys.argv[2])
    devices = folder / "devices"
    (devices / _DEVICE).mkdir(parents=True)
    # Else /etc/swift/swift.conf is read.
    utils.HASH_PATH_PREFIX, utils.HASH_PATH_SUFFIX = b"", b"tests"
    utils.SWIFT_CONF_FILE = str(folder / "swift.conf")
    (folder / "swift.conf").write_text("[storage-policy:0]\nname = zero\n")
    reload_storage_policies()
    for server in ("account", "container", "object"):
        listener = _listen(0)
        ring = RingBuilder(part_power=4, replicas=1, min_part_hours=0)
        address = {"ip": "127.0.0.1", "port": listener.getsockname()[1]}
        place = {"region": 1, "zone": 1, "weight": 1, "device": _DEVICE}
        ring.add_dev({**place, **address, "replication_ip": address["ip"], "replication_port": address["port"]})
        ring.rebalance()
        ring.get_ring().save(str(folder / f"{server}.ring.gz"))
        conf = folder / f"{server}.conf"
        conf.write_text(_BACK_END.format(devices=devices, folder=folder, server=server))
        _serve(listener, conf)
    conf = folder / "proxy.conf"
    conf.write_text(_PROXY.format(folder=folder))
    proxy = _serve(_listen(port), conf)
    proxy.wait()


if __name__ == "__main__":
    os.umask(0o077)
    main()
