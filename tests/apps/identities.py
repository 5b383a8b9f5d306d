"""Tells who the process is that serves, and who it was when it loaded the application."""

import json
import os

LOADED = os.getresuid()


def application(environ, start_response):
    with open("/proc/self/status") as status:
        facts = dict(line.rstrip("\n").split(":\t", 1) for line in status)
    told = {
        "loaded": LOADED,
        "uid": os.getresuid(),
        "gid": os.getresgid(),
        "groups": os.getgroups(),
        "capabilities": int(facts["CapPrm"], 16),
        "home": os.environ.get("HOME"),
        "pid": os.getpid(),
    }
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(told).encode()]
