"""Which path is which view."""

# mypy: disable-error-code="import-untyped"
from django.contrib.auth.views import LoginView, LogoutView
from django.urls import path

from . import views

urlpatterns = [
    path("", views.index),
    path("hello/<name>/", views.hello),
    path("items/<int:number>/", views.item),
    path("files/<path:rest>", views.rest),
    path("search/", views.search),
    path("notes/", views.notes),
    path("notes/new/", views.new_note),
    path("notes/<int:number>/", views.NoteView.as_view()),
    path("login/", LoginView.as_view()),
    path("logout/", LogoutView.as_view()),
    path("account/", views.account),
    path("counter/", views.counter),
    path("form/", views.form),
    path("json/", views.json),
    path("raw/", views.raw),
    path("upload/", views.upload),
    path("stream/", views.stream),
    path("binary/", views.binary),
    path("nothing/", views.nothing),
    path("download/", views.download),
    path("attachment/", views.attachment),
    path("condition/", views.conditional),
    path("cookies/", views.cookies),
    path("headers/", views.headers),
    path("environ/", views.environ),
    path("reason/", views.reason),
    path("moved/", views.moved),
    path("forbidden/", views.forbidden),
    path("boom/", views.boom),
]
