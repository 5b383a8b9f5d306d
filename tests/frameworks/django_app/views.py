"""The views of the site; each is there because a server can get it wrong."""

# mypy: disable-error-code="import-untyped", allow-subclassing-any, allow-untyped-decorators
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from json import loads
from pathlib import Path
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import (
    FileResponse,
    HttpRequest,
    HttpResponse,
    HttpResponsePermanentRedirect,
    JsonResponse,
    StreamingHttpResponse,
)
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import condition, require_GET, require_POST

from ..content import blob, described, environ_lines
from .forms import NoteForm
from .models import Note

CHANGED = datetime(2024, 2, 29, 12, 0, tzinfo=UTC)
MEGABYTE = 1 << 20


def index(request: HttpRequest) -> HttpResponse:
    return render(request, "index.html", {"rivers": ["Spey", "Livet <&>", "Fiddich — Ĝé"]})


def hello(request: HttpRequest, name: str) -> HttpResponse:
    return HttpResponse(f"Hello {name}!", content_type="text/plain; charset=utf-8")


def item(request: HttpRequest, number: int) -> HttpResponse:
    return JsonResponse({"item": number})


def rest(request: HttpRequest, rest: str) -> HttpResponse:
    return JsonResponse({"rest": rest})


def search(request: HttpRequest) -> HttpResponse:
    return JsonResponse(dict(request.GET.lists()))


def notes(request: HttpRequest) -> HttpResponse:
    return render(request, "notes.html", {"notes": Note.objects.order_by("id")})


def new_note(request: HttpRequest) -> HttpResponse:
    form = NoteForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        note = form.save()
        messages.success(request, f"{note.title} was kept")
        return redirect(f"/notes/{note.pk}/")
    return render(request, "new_note.html", {"form": form})


@method_decorator(csrf_exempt, name="dispatch")
class NoteView(View):
    """One note: read as a page, changed as JSON."""

    def get(self, request: HttpRequest, number: int) -> HttpResponse:
        return render(request, "note.html", {"note": get_object_or_404(Note, pk=number)})

    def put(self, request: HttpRequest, number: int) -> HttpResponse:
        note, created = Note.objects.update_or_create(pk=number, defaults=loads(request.body))
        return JsonResponse({"id": note.pk, "title": note.title, "text": note.text}, status=201 if created else 200)

    def patch(self, request: HttpRequest, number: int) -> HttpResponse:
        Note.objects.filter(pk=number).update(**loads(request.body))
        return self.get(request, number)

    def delete(self, request: HttpRequest, number: int) -> HttpResponse:
        get_object_or_404(Note, pk=number).delete()
        return HttpResponse(status=204)


@login_required
def account(request: HttpRequest) -> HttpResponse:
    return render(request, "account.html")


def counter(request: HttpRequest) -> HttpResponse:
    request.session["count"] = request.session.get("count", 0) + 1
    return JsonResponse({"count": request.session["count"]})


@csrf_exempt
@require_POST
def form(request: HttpRequest) -> HttpResponse:
    return JsonResponse(dict(request.POST.lists()))


@csrf_exempt
@require_POST
def json(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"received": loads(request.body)}, json_dumps_params={"ensure_ascii": False})


@csrf_exempt
def raw(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"method": request.method, **described(request.body)})


@csrf_exempt
@require_POST
def upload(request: HttpRequest) -> HttpResponse:
    files = [
        {"field": field, "name": file.name, "type": file.content_type, **described(file.read())}
        for field, files in request.FILES.lists()
        for file in files
    ]
    return JsonResponse({"fields": dict(request.POST.lists()), "files": files})


def stream(request: HttpRequest) -> HttpResponse:
    def lines() -> Iterator[str]:
        for number in range(200):
            yield f"line {number} — Ĝé\n"
            yield ""

    return StreamingHttpResponse(lines(), content_type="text/plain; charset=utf-8")


def binary(request: HttpRequest) -> HttpResponse:
    return HttpResponse(blob(MEGABYTE), content_type="application/octet-stream")


def nothing(request: HttpRequest) -> HttpResponse:
    return HttpResponse(status=204)


def _river() -> Any:
    return (Path(os.environ["FRAMEWORKS_DOWNLOAD"]) / "river.bin").open("rb")


def download(request: HttpRequest) -> HttpResponse:
    return FileResponse(_river())


def attachment(request: HttpRequest) -> HttpResponse:
    return FileResponse(_river(), as_attachment=True, filename="Fluß Spey.bin")


@condition(etag_func=lambda request: '"v1"', last_modified_func=lambda request: CHANGED)
def conditional(request: HttpRequest) -> HttpResponse:
    return HttpResponse("unchanged since the leap day")


def cookies(request: HttpRequest) -> HttpResponse:
    response = JsonResponse(dict(request.COOKIES))
    response.set_cookie("river", 'Spey; fast, "cold"')
    response.set_cookie("scoped", "s", path="/cookies/", httponly=True, samesite="Lax")
    response.set_cookie("later", "l", max_age=3600, secure=True)
    response.delete_cookie("gone")
    return response


def headers(request: HttpRequest) -> HttpResponse:
    response = HttpResponse("many")
    for number in range(40):
        response[f"X-Number-{number}"] = f"{number} " + "x" * number
    response["X-Large"] = "0123456789abcdef" * 448
    response["X-Latin"] = "Fluß"
    response["X-Empty"] = ""
    return response


@csrf_exempt
def environ(request: HttpRequest) -> HttpResponse:
    return StreamingHttpResponse([environ_lines(request.META)], content_type="text/plain; charset=utf-8")


def reason(request: HttpRequest) -> HttpResponse:
    return HttpResponse("short and stout", status=418, reason="Short And Stout")


def moved(request: HttpRequest) -> HttpResponse:
    return HttpResponsePermanentRedirect("/search/?q=caf%C3%A9")


@require_GET
def forbidden(request: HttpRequest) -> HttpResponse:
    raise PermissionDenied


def boom(request: HttpRequest) -> HttpResponse:
    raise RuntimeError("this view always raises")
