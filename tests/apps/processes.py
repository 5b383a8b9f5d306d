"""Tells about the process that serves, and does to it what the path says."""

import atexit
import os
import signal
import sys
import threading
import time

caught = []
atexit.register(lambda: print("atexit", os.getpid()))
signal.signal(
    signal.SIGUSR1, lambda number, frame: caught.append(threading.current_thread() is threading.main_thread())
)


def main_waits_in():
    with open(f"/proc/self/task/{os.getpid()}/wchan") as wchan:
        return wchan.read()


def application(environ, start_response):
    action = environ["PATH_INFO"].strip("/")
    if action == "kill":
        print("last words")
        os.kill(os.getpid(), signal.SIGKILL)
    if action == "exit":
        os._exit(7)
    if action == "sleep":
        print("sleeping")
        time.sleep(0.5)
    if action == "signal":
        os.kill(os.getpid(), signal.SIGUSR1)
        while not caught:
            time.sleep(0.001)
    if action == "signal-here":  # whichever thread received it, Python runs the handler on the main thread
        while threading.current_thread() is not threading.main_thread() and "poll" not in main_waits_in():
            time.sleep(0.001)
        signal.pthread_kill(threading.get_ident(), signal.SIGUSR1)
        while not caught:
            time.sleep(0.001)
    if action == "thread":
        threading.Thread(target=lambda: (time.sleep(0.3), print("thread ended"))).start()
    if action == "broken":
        sys.stdout = None
    start_response("200 OK", [("Content-Type", "text/plain")])
    main = threading.current_thread() is threading.main_thread()
    flags = environ["wsgi.multithread"], environ["wsgi.multiprocess"]
    return [f"pid={os.getpid()} ppid={os.getppid()} main={main} flags={flags} caught={caught}".encode()]
