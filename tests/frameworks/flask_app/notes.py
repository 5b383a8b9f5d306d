"""Notes: pages to read and add them, JSON to change them."""

from flask import Blueprint, abort, flash, redirect, render_template, request
from flask.typing import ResponseReturnValue

from .database import connection

blueprint = Blueprint("notes", __name__)


@blueprint.get("/")
def every() -> str:
    rows = connection().execute("select id, title from note order by id").fetchall()
    return render_template("notes.html", notes=rows)


@blueprint.route("/new", methods=["GET", "POST"])
def new() -> ResponseReturnValue:
    title = request.form.get("title", "")
    if request.method == "GET" or not title:
        return render_template("new_note.html", error=request.method == "POST")
    cursor = connection().execute("insert into note (title, text) values (?, ?)", (title, request.form["text"]))
    connection().commit()
    flash(f"{title} was kept")
    return redirect(f"/notes/{cursor.lastrowid}", 303)


@blueprint.get("/<int:number>")
def one(number: int) -> str:
    row = connection().execute("select * from note where id = ?", (number,)).fetchone()
    if row is None:
        abort(404)
    return render_template("note.html", note=row)


@blueprint.put("/<int:number>")
def put(number: int) -> ResponseReturnValue:
    note = request.get_json()
    values = (number, note["title"], note.get("text", ""))
    connection().execute("insert or replace into note (id, title, text) values (?, ?, ?)", values)
    connection().commit()
    return {"id": number, **note}, 201


@blueprint.patch("/<int:number>")
def patch(number: int) -> str:
    connection().execute("update note set text = ? where id = ?", (request.get_json()["text"], number))
    connection().commit()
    return one(number)


@blueprint.delete("/<int:number>")
def delete(number: int) -> ResponseReturnValue:
    cursor = connection().execute("delete from note where id = ?", (number,))
    connection().commit()
    return ("", 204) if cursor.rowcount else ("", 404)
