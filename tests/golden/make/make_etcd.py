#!/usr/bin/env python3
"""Makes tests/golden/etcd_3_4.db: what the etcd of this machine leaves in member/snap/db after a small history.

  tests/golden/make/make_etcd.py tests/golden/etcd_3_4.db
"""

import os
import pathlib
import struct
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "bench" / "peer"))
from server import Server  # noqa: E402


def main():
    with Server("etcd") as etcd:
        def etcdctl(*arguments):
            subprocess.run(["etcdctl", f"--endpoints={etcd.endpoint}", *arguments], env=dict(os.environ, ETCDCTL_API="3"),
                           check=True, stdout=subprocess.DEVNULL, timeout=30)

        for i in range(100):
            etcdctl("put", f"key{i % 25:02}", f"value {i}")
        etcdctl("put", "large", "x" * 9000)
        etcdctl("del", "key03")
        etcdctl("lease", "grant", "3600")
        etcdctl("compaction", "50")
        etcd.stop()
        image = (etcd.data_dir / "member" / "snap" / "db").read_bytes()
    page_size = struct.unpack_from("<I", image, 24)[0]
    # The newer of the two meta pages says how much of the file is used.
    metas = [struct.unpack_from("<QQ", image, page * page_size + 56) for page in (0, 1)]
    high_water = max(metas, key=lambda meta: meta[1])[0]
    pathlib.Path(sys.argv[1]).write_bytes(image[:high_water * page_size])


if __name__ == "__main__":
    main()
