"""Bottle's run() goes through wsgiref."""

import bottle


@bottle.route("/")
def index():
    return "bottle_run"


bottle.run(host="127.0.0.1", port=0)
print("after")
