"""Notes: pages to read and add them, JSON to change them."""

# mypy: disable-error-code="import-untyped", allow-untyped-decorators
from typing import Any

from pyramid.httpexceptions import HTTPNoContent, HTTPNotFound, HTTPSeeOther
from pyramid.view import view_config, view_defaults


@view_config(route_name="notes", renderer="notes.jinja2")
def notes(request: Any) -> dict[str, Any]:
    return {"notes": request.db.execute("select id, title from note order by id").fetchall()}


@view_config(route_name="new_note", renderer="new_note.jinja2")
def new_note(request: Any) -> Any:
    title = request.POST.get("title", "")
    if request.method == "GET" or not title:
        return {"error": request.method == "POST"}
    values = (title, request.POST["text"])
    cursor = request.db.execute("insert into note (title, text) values (?, ?)", values)
    request.db.commit()
    request.session.flash(f"{title} was kept")
    return HTTPSeeOther(f"/notes/{cursor.lastrowid}")


@view_defaults(route_name="note", require_csrf=False)
class NoteViews:
    """One note: read as a page, changed as JSON."""

    def __init__(self, request: Any) -> None:
        self.request = request
        self.number = int(request.matchdict["number"])

    def row(self) -> Any:
        row = self.request.db.execute("select * from note where id = ?", (self.number,)).fetchone()
        if row is None:
            raise HTTPNotFound
        return row

    def changed(self, statement: str, *values: object) -> int:
        cursor = self.request.db.execute(statement, values)
        self.request.db.commit()
        count: int = cursor.rowcount
        return count

    @view_config(request_method="GET", renderer="note.jinja2")
    def show(self) -> dict[str, Any]:
        return {"note": self.row()}

    @view_config(request_method="PUT", renderer="json")
    def put(self) -> dict[str, Any]:
        note = self.request.json_body
        statement = "insert or replace into note (id, title, text) values (?, ?, ?)"
        self.changed(statement, self.number, note["title"], note.get("text", ""))
        self.request.response.status = 201
        return {"id": self.number, **note}

    @view_config(request_method="PATCH", renderer="note.jinja2")
    def patch(self) -> dict[str, Any]:
        self.changed("update note set text = ? where id = ?", self.request.json_body["text"], self.number)
        return {"note": self.row()}

    @view_config(request_method="DELETE")
    def delete(self) -> Any:
        if not self.changed("delete from note where id = ?", self.number):
            raise HTTPNotFound
        return HTTPNoContent()

    @view_config(request_method="OPTIONS")
    def options(self) -> Any:
        return HTTPNoContent(headers={"Allow": "GET, HEAD, PUT, PATCH, DELETE, OPTIONS"})
