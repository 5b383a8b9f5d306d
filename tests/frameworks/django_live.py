"""Django's LiveServerTestCase as its documentation has it, a script for `speyside django_live.py`.

Speyside stands for wsgiref under Django's own LiveServerThread, so the application runs in the process of the tests:
what one side changes, the other sees, in a database in memory too. Prints what unittest does, and `live tests passed`.
"""

# mypy: ignore-errors
from __future__ import annotations

import http.client
import threading
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from tempfile import mkdtemp

import django
from django.conf import settings

MEDIA = Path(mkdtemp())

settings.configure(
    SECRET_KEY="not a secret: this site only ever answers its own tests",
    ROOT_URLCONF=__name__,
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    INSTALLED_APPS=[
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.sessions",
        "django.contrib.admin",
        "django.contrib.messages",
        "django.contrib.staticfiles",
    ],
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.messages.middleware.MessageMiddleware",
    ],
    TEMPLATES=[
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "APP_DIRS": True,
            "OPTIONS": {
                "context_processors": [
                    "django.template.context_processors.request",
                    "django.contrib.auth.context_processors.auth",
                    "django.contrib.messages.context_processors.messages",
                ]
            },
        }
    ],
    PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
    STATIC_URL="/static/",
    MEDIA_URL="/media/",
    MEDIA_ROOT=MEDIA,
    USE_TZ=True,
)
django.setup()

from django.contrib import admin  # noqa: E402 - Django wants its settings first
from django.contrib.auth.models import User  # noqa: E402
from django.contrib.staticfiles.testing import StaticLiveServerTestCase  # noqa: E402
from django.http import HttpResponse, StreamingHttpResponse  # noqa: E402
from django.test.utils import get_runner  # noqa: E402
from django.urls import path  # noqa: E402
from django.views.decorators.csrf import csrf_exempt  # noqa: E402

served_by: list[tuple[str, str]] = []


def count(request):
    served_by.append((threading.current_thread().name, request.META["SERVER_SOFTWARE"]))
    return HttpResponse(f"{User.objects.count()} users")


@csrf_exempt
def create(request):
    User.objects.create_user(request.POST["name"])
    return HttpResponse("created", status=201)


def stream(request):
    return StreamingHttpResponse(f"line {number}\n" for number in range(1000))


def boom(request):
    raise ValueError("from a view")


urlpatterns = [
    path("count/", count),
    path("create/", create),
    path("stream/", stream),
    path("boom/", boom),
    path("admin/", admin.site.urls),
]


class Live(StaticLiveServerTestCase):
    """One class: a script is served by one server."""

    def get(self, target: str, data: bytes | None = None) -> str:
        with urllib.request.urlopen(self.live_server_url + target, data, timeout=20) as reply:
            return reply.read().decode()

    def test_server_is_speyside(self) -> None:
        with urllib.request.urlopen(self.live_server_url + "/count/", timeout=20) as reply:
            self.assertEqual(reply.headers["Server"], "speyside")
        self.assertTrue(served_by[-1][1].startswith("speyside"), served_by)

    def test_both_sides_see_one_database_in_memory(self) -> None:
        self.assertEqual(self.get("/count/"), "0 users")
        User.objects.create_user("from-the-test")
        self.assertEqual(self.get("/count/"), "1 users")
        self.assertEqual(self.get("/create/", urllib.parse.urlencode({"name": "from-a-view"}).encode()), "created")
        self.assertTrue(User.objects.filter(username="from-a-view").exists())

    def test_database_is_flushed_between_tests(self) -> None:
        self.assertEqual(self.get("/count/"), "0 users")

    def test_static_and_media_files(self) -> None:
        self.assertIn("--header-bg", self.get("/static/admin/css/base.css"))
        (MEDIA / "spey.txt").write_text("river")
        self.assertEqual(self.get("/media/spey.txt"), "river")
        with self.assertRaises(urllib.error.HTTPError) as raised:
            self.get("/static/none.css")
        self.assertEqual(raised.exception.code, 404)
        raised.exception.close()

    def test_error_of_a_view_is_a_reply(self) -> None:
        with self.assertRaises(urllib.error.HTTPError) as raised, self.assertLogs("django.request", "ERROR"):
            self.get("/boom/")
        self.assertEqual(raised.exception.code, 500)
        raised.exception.close()
        self.assertEqual(self.get("/count/"), "0 users")

    def test_kept_connection_and_stream(self) -> None:
        address = urllib.parse.urlsplit(self.live_server_url)
        connection = http.client.HTTPConnection(address.hostname, address.port, timeout=20)
        self.addCleanup(connection.close)
        for _ in range(3):
            connection.request("GET", "/stream/")
            self.assertEqual(len(connection.getresponse().read().splitlines()), 1000)

    def test_admin_with_a_session_of_the_test(self) -> None:
        self.client.force_login(User.objects.create_superuser("root"))
        request = urllib.request.Request(self.live_server_url + "/admin/auth/user/")
        request.add_header("Cookie", f"sessionid={self.client.cookies['sessionid'].value}")
        with urllib.request.urlopen(request, timeout=20) as reply:
            self.assertIn("1 user", reply.read().decode())

    def test_many_at_once(self) -> None:
        answers: list[str] = []
        threads = [threading.Thread(target=lambda: answers.append(self.get("/count/"))) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        self.assertEqual(answers, ["0 users"] * 20)


if __name__ == "__main__":
    runner = get_runner(settings)(verbosity=1, interactive=False)
    failures = runner.run_tests(["__main__.Live"])
    print("live tests failed" if failures else "live tests passed")
    raise SystemExit(bool(failures))
