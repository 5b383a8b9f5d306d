"""The other views; each is there because a server can get it wrong."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from flask import (
    Blueprint,
    Response,
    abort,
    jsonify,
    make_response,
    redirect,
    render_template,
    request,
    send_file,
    session,
    stream_with_context,
)
from flask.typing import ResponseReturnValue

from ..content import blob, described, environ_lines

CHANGED = datetime(2024, 2, 29, 12, 0, tzinfo=UTC)
MEGABYTE = 1 << 20

blueprint = Blueprint("views", __name__)


@blueprint.get("/")
def index() -> str:
    return render_template("index.html", rivers=["Spey", "Livet <&>", "Fiddich — Ĝé"])


@blueprint.get("/hello/<name>")
def hello(name: str) -> Response:
    return Response(f"Hello {name}!", mimetype="text/plain")


@blueprint.get("/items/<int:number>/")
def item(number: int) -> ResponseReturnValue:
    return {"item": number}


@blueprint.get("/files/<path:rest>")
def rest(rest: str) -> ResponseReturnValue:
    return {"rest": rest}


@blueprint.get("/search")
def search() -> ResponseReturnValue:
    return request.args.to_dict(flat=False)


@blueprint.post("/form")
def form() -> ResponseReturnValue:
    return request.form.to_dict(flat=False)


@blueprint.post("/json")
def json() -> ResponseReturnValue:
    return {"received": request.get_json()}


@blueprint.route("/raw", methods=["GET", "POST", "PUT", "PATCH", "DELETE", "BREW"])
def raw() -> ResponseReturnValue:
    return {"method": request.method, **described(request.get_data())}


@blueprint.post("/pieces")
def pieces() -> ResponseReturnValue:
    sizes = []
    while piece := request.stream.read(10_000):
        sizes.append(len(piece))
    return {"total": sum(sizes), "most": max(sizes)}


@blueprint.post("/upload")
def upload() -> ResponseReturnValue:
    files = [
        {"field": field, "name": file.filename, "type": file.content_type, **described(file.read())}
        for field, file in request.files.items(multi=True)
    ]
    return {"fields": request.form.to_dict(flat=False), "files": files}


@blueprint.post("/login")
def login() -> ResponseReturnValue:
    session["name"] = request.form["name"]
    return redirect("/account")


@blueprint.get("/account")
def account() -> ResponseReturnValue:
    if "name" not in session:
        abort(401)
    return render_template("account.html", name=session["name"])


@blueprint.post("/logout")
def logout() -> ResponseReturnValue:
    session.clear()
    return redirect("/")


@blueprint.get("/counter")
def counter() -> ResponseReturnValue:
    session["count"] = session.get("count", 0) + 1
    return {"count": session["count"]}


@blueprint.get("/stream")
def stream() -> Response:
    def lines() -> Iterator[str]:
        for number in range(200):
            yield f"line {number} of {request.path} — Ĝé\n"
            yield ""

    return Response(stream_with_context(lines()), mimetype="text/plain")


@blueprint.get("/binary")
def binary() -> Response:
    return Response(blob(MEGABYTE), mimetype="application/octet-stream")


@blueprint.get("/nothing")
def nothing() -> ResponseReturnValue:
    return "", 204


@blueprint.get("/download")
def download() -> Response:
    return send_file(Path(os.environ["FRAMEWORKS_DOWNLOAD"]) / "river.bin")


@blueprint.get("/attachment")
def attachment() -> Response:
    path = Path(os.environ["FRAMEWORKS_DOWNLOAD"]) / "river.bin"
    return send_file(path, as_attachment=True, download_name="Fluß Spey.bin", max_age=60)


@blueprint.get("/condition")
def conditional() -> Response:
    response = make_response("unchanged since the leap day")
    response.set_etag("v1")
    response.last_modified = CHANGED
    response.make_conditional(request)
    return response


@blueprint.get("/cookies")
def cookies() -> Response:
    response = jsonify(request.cookies.to_dict())
    response.set_cookie("river", 'Spey; fast, "cold"')
    response.set_cookie("scoped", "s", path="/cookies", httponly=True, samesite="Lax")
    response.set_cookie("later", "l", max_age=3600, secure=True)
    response.delete_cookie("gone")
    return response


@blueprint.get("/headers")
def headers() -> Response:
    response = Response("many", mimetype="text/plain")
    for number in range(40):
        response.headers[f"X-Number-{number}"] = f"{number} " + "x" * number
    response.headers["X-Large"] = "0123456789abcdef" * 448
    response.headers["X-Latin"] = "Fluß"
    response.headers["X-Empty"] = ""
    response.headers.add("Link", "</a>; rel=prev")
    response.headers.add("Link", "</b>; rel=next")
    return response


@blueprint.route("/environ", methods=["GET", "POST"])
def environ() -> Response:
    return Response(iter([environ_lines(request.environ)]), mimetype="text/plain")


@blueprint.get("/reason")
def reason() -> Response:
    return Response("fine", status="299 Very Fine")


@blueprint.get("/moved")
def moved() -> ResponseReturnValue:
    return redirect("/search?q=café", 308)


@blueprint.get("/forbidden")
def forbidden() -> ResponseReturnValue:
    abort(403)


@blueprint.get("/boom")
def boom() -> ResponseReturnValue:
    raise RuntimeError("this view always raises")
