"""gunicorn's configuration, hooks and loggers, for those who come from it; nothing of gunicorn itself is needed.

Most callers need reader.read, which executes a configuration file, and master.Master, which calls its hooks. What a
setting means to the server is decided in Go: here are only those of them that are functions or objects of Python.
"""
