"""The other views; each is there because a server can get it wrong."""

# mypy: disable-error-code="import-untyped", allow-untyped-decorators
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pyramid.httpexceptions import (
    HTTPForbidden,
    HTTPMethodNotAllowed,
    HTTPMovedPermanently,
    HTTPNoContent,
    HTTPSeeOther,
    HTTPUnauthorized,
)
from pyramid.response import FileResponse, Response
from pyramid.view import exception_view_config, notfound_view_config, view_config

from ..content import blob, described, environ_lines

CHANGED = datetime(2024, 2, 29, 12, 0, tzinfo=UTC)
MEGABYTE = 1 << 20


@view_config(route_name="index", renderer="index.jinja2")
def index(request: Any) -> dict[str, Any]:
    return {"rivers": ["Spey", "Livet <&>", "Fiddich — Ĝé"]}


@view_config(route_name="hello")
def hello(request: Any) -> Any:
    return Response(f"Hello {request.matchdict['name']}!", content_type="text/plain", charset="utf-8")


@view_config(route_name="item", renderer="json")
def item(request: Any) -> dict[str, Any]:
    return {"item": int(request.matchdict["number"])}


@view_config(route_name="rest", renderer="json")
def rest(request: Any) -> dict[str, Any]:
    return {"rest": request.matchdict["rest"]}


@view_config(route_name="search", renderer="json")
def search(request: Any) -> Any:
    return request.GET.dict_of_lists()


@view_config(route_name="form", renderer="json", request_method="POST", require_csrf=False)
def form(request: Any) -> Any:
    return request.POST.dict_of_lists()


@view_config(route_name="form")
@view_config(route_name="json")
def not_allowed(request: Any) -> Any:
    return HTTPMethodNotAllowed(headers={"Allow": "POST"})


@view_config(route_name="json", renderer="json", request_method="POST", require_csrf=False)
def json(request: Any) -> dict[str, Any]:
    return {"received": request.json_body}


@view_config(route_name="raw", renderer="json", require_csrf=False)
def raw(request: Any) -> dict[str, Any]:
    return {"method": request.method, **described(request.body)}


@view_config(route_name="upload", renderer="json", request_method="POST", require_csrf=False)
def upload(request: Any) -> dict[str, Any]:
    files = [
        {"field": field, "name": value.filename, "type": value.type, **described(value.file.read())}
        for field, value in request.POST.items()
        if hasattr(value, "file")
    ]
    return {"fields": [pair for pair in request.POST.items() if isinstance(pair[1], str)], "files": files}


@view_config(route_name="login", renderer="login.jinja2")
def login(request: Any) -> Any:
    if request.method == "POST":
        request.session["name"] = request.POST["name"]
        return HTTPSeeOther("/account")
    return {}


@view_config(route_name="account", renderer="account.jinja2")
def account(request: Any) -> dict[str, Any]:
    if "name" not in request.session:
        raise HTTPUnauthorized
    return {"name": request.session["name"]}


@view_config(route_name="logout", request_method="POST")
def logout(request: Any) -> Any:
    request.session.invalidate()
    return HTTPSeeOther("/")


@view_config(route_name="counter", renderer="json")
def counter(request: Any) -> dict[str, Any]:
    request.session["count"] = request.session.get("count", 0) + 1
    return {"count": request.session["count"]}


@view_config(route_name="stream")
def stream(request: Any) -> Any:
    def lines() -> Iterator[bytes]:
        for number in range(200):
            yield f"line {number} — Ĝé\n".encode()
            yield b""

    return Response(app_iter=lines(), content_type="text/plain", charset="utf-8")


@view_config(route_name="binary")
def binary(request: Any) -> Any:
    return Response(blob(MEGABYTE), content_type="application/octet-stream")


@view_config(route_name="nothing")
def nothing(request: Any) -> Any:
    return HTTPNoContent()


@view_config(route_name="download")
def download(request: Any) -> Any:
    path = Path(os.environ["FRAMEWORKS_DOWNLOAD"]) / "river.bin"
    response = FileResponse(path, request=request, content_type="application/octet-stream")
    response.conditional_response = True
    response.etag = "river"
    return response


@view_config(route_name="attachment")
def attachment(request: Any) -> Any:
    path = Path(os.environ["FRAMEWORKS_DOWNLOAD"]) / "river.bin"
    response = FileResponse(path, request=request, cache_max_age=60)
    response.content_disposition = "attachment; filename*=UTF-8''Flu%C3%9F%20Spey.bin"
    return response


@view_config(route_name="conditional")
def conditional(request: Any) -> Any:
    response = Response("unchanged since the leap day", conditional_response=True)
    response.etag = "v1"
    response.last_modified = CHANGED
    return response


@view_config(route_name="cookies", renderer="json")
def cookies(request: Any) -> dict[str, Any]:
    response = request.response
    response.set_cookie("river", "Spey+fast=cold/1")
    response.set_cookie("scoped", "s", path="/cookies", httponly=True, samesite="Lax")
    response.set_cookie("later", "l", max_age=3600, secure=True)
    response.delete_cookie("gone")
    return dict(request.cookies)


@view_config(route_name="headers")
def headers(request: Any) -> Any:
    response = Response("many", content_type="text/plain")
    for number in range(40):
        response.headers[f"X-Number-{number}"] = f"{number} " + "x" * number
    response.headers["X-Large"] = "0123456789abcdef" * 448
    response.headers["X-Latin"] = "Fluß"
    response.headers["X-Empty"] = ""
    response.headers.add("Link", "</a>; rel=prev")
    response.headers.add("Link", "</b>; rel=next")
    return response


@view_config(route_name="environ", require_csrf=False)
def environ(request: Any) -> Any:
    return Response(app_iter=[environ_lines(request.environ).encode()], content_type="text/plain", charset="utf-8")


@view_config(route_name="reason")
def reason(request: Any) -> Any:
    return Response("fine", status="299 Very Fine")


@view_config(route_name="moved")
def moved(request: Any) -> Any:
    return HTTPMovedPermanently("/search?q=caf%C3%A9")


@view_config(route_name="forbidden")
def forbidden(request: Any) -> Any:
    raise HTTPForbidden("members only")


@view_config(route_name="boom")
def boom(request: Any) -> Any:
    raise RuntimeError("this view always raises")


@notfound_view_config(renderer="404.jinja2")
def not_found(request: Any) -> dict[str, Any]:
    request.response.status = 404
    return {}


@exception_view_config(Exception, renderer="500.jinja2")
def broken(error: Exception, request: Any) -> dict[str, Any]:
    request.response.status = 500
    return {}
