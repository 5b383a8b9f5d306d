"""Flask's development server at the end of the file."""

from flask import Flask

hello = Flask(__name__)


@hello.route("/")
def index():
    return "flask_run"


if __name__ == "__main__":
    hello.run(port=0, debug=True)
    print("after")
