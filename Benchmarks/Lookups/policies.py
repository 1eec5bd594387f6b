"""Cache files of sts-bridge with many policies."""

import datetime
import pathlib
import sqlite3
import subprocess
import time

from programs import Program, Starter
from world import domain

POLICY = r"version: STSv1\r\nmode: enforce\r\nmx: mx1.{0}\r\nmx: *.mail.{0}\r\nmax_age: 604800\r\n"


def fill(database: pathlib.Path, count: int, bridge: Program, starter: Starter):
    """Imports `count` policies. Their TXT records are fresh for an hour, so that no lookup needs DNS."""
    export = database.with_suffix(".jsonl")
    _write_export(export, count)
    subprocess.run([bridge.executable, "cache", "import", export], check=True, capture_output=True,
                   env=starter.bridge_environment(database))
    export.unlink()
    with sqlite3.connect(database) as connection:
        connection.execute("UPDATE policy SET record_id = id, record_at = ?, record_lifetime = 3600000",
                           [int(time.time() * 1000)])
    connection.close()


def _write_export(path: pathlib.Path, count: int):
    now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    with open(path, "w") as file:
        file.write(f'{{"exported-at":"{now}","format":"sts-bridge-policies","version":1}}\n')
        for number in range(count):
            name = domain(number)
            file.write(f'{{"asked-at":"{now}","domain":"{name}","fetched-at":"{now}","id":"20261101T000000",'
                       f'"policy":"{POLICY.format(name)}"}}\n')
        file.write(f'{{"policies":{count}}}\n')
