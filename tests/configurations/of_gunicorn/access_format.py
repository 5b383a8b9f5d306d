"""The real client and the time taken, in a line that a script reads."""

import os

host = os.getenv("HOST", "127.0.0.1")
port = os.getenv("PORT", "80")
bind = os.getenv("BIND") or f"{host}:{port}"
workers = 2
errorlog = "-"
accesslog = "-"
access_log_format = (
    '%({X-Forwarded-For}i)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s" %(m)s %(U)s?%(q)s %(H)s %(B)s '
    "t=%(L)s %(D)s %(M)s %(T)s p=%(p)s %({Content-Type}o)s %({No-Such}i)s"
)
limit_request_line = 300
limit_request_fields = 50
