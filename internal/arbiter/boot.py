import sys
if sys.path[:1] == [""]:
    del sys.path[0]
if sys.version_info < (3, 11):
    sys.exit(96)
try:
    from speyside.zygote import main
except ImportError as error:
    import json, os
    text = "%s cannot import Speyside: %s" % (sys.executable, error)
    os.write(3, json.dumps({"type": "ApplicationFailed", "code": "SPY0007", "text": text}).encode())
    sys.exit(1)
main()
