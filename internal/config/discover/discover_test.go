package discover

import (
	"io/fs"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"speyside.dev/speyside/internal/fault"
)

// project makes files of an archive: `-- NAME --` before each.
func project(archive string) fstest.MapFS {
	files := fstest.MapFS{}
	for part := range strings.SplitSeq(archive, "\n-- ") {
		name, text, _ := strings.Cut(strings.TrimPrefix(part, "-- "), "\n")
		name = strings.TrimSuffix(name, " --")
		if name = strings.TrimSpace(name); name != "" {
			files[name] = &fstest.MapFile{Data: []byte(text), Mode: 0o644}
		}
	}
	return files
}

func look(archive string, variables ...string) (*Found, error) {
	return Find(Options{Files: project(archive), Dir: "/srv/shop", Env: func(name string) string {
		for _, v := range variables {
			if value, found := strings.CutPrefix(v, name+"="); found {
				return value
			}
		}
		return ""
	}})
}

// manage is a manage.py as Django makes it.
const manage = `#!/usr/bin/env python
"""Django's command-line utility; os.environ.setdefault("DJANGO_SETTINGS_MODULE", "doc.settings")"""
import os
import sys


def main():
    """Run administrative tasks."""
    os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'shop.settings')
    try:
        from django.core.management import execute_from_command_line
    except ImportError as exc:
        raise ImportError("Couldn't import Django.") from exc
    execute_from_command_line(sys.argv)


if __name__ == '__main__':
    main()
`

// shape is a project, and what is found in it.
type shape struct {
	name, files string
	env         string
	want        string // App, or Paste
	path        string
	variable    string
	why         string
}

func djangoShapes() []shape {
	return []shape{
		{name: "Django", files: "-- manage.py --\n" + manage + "\n-- shop/__init__.py --\n\n-- shop/settings.py --\nDEBUG = True\n\nWSGI_APPLICATION = 'shop.wsgi.application'\n-- shop/wsgi.py --\nimport os\nfrom django.core.wsgi import get_wsgi_application\napplication = get_wsgi_application()\n",
			want: "shop.wsgi:application", why: "manage.py names shop.settings, whose WSGI_APPLICATION it is"},
		{name: "Django, settings in the environment", files: "-- manage.py --\n" + manage + "\n-- shop/settings.py --\nWSGI_APPLICATION = 'shop.wsgi.application'\n-- prod.py --\nfrom shop.settings import *\nWSGI_APPLICATION = (\n  'shop.prod'\n  '.application')\n",
			env: "DJANGO_SETTINGS_MODULE=prod", want: "shop.prod:application", why: "DJANGO_SETTINGS_MODULE is prod, whose WSGI_APPLICATION it is"},
		{name: "Django, settings that import others", files: "-- manage.py --\nimport os\nif __name__ == \"__main__\":\n    os.environ[\"DJANGO_SETTINGS_MODULE\"] = \"config.settings.local\"\n-- config/settings/__init__.py --\n-- config/settings/local.py --\nfrom .base import *  # noqa\nfrom .base import env\n-- config/settings/base.py --\n\"\"\"\nWSGI_APPLICATION = 'not.this'\n\"\"\"\n# WSGI_APPLICATION = 'nor.this'\nWSGI_APPLICATION: str = \"config.wsgi.application\"\n",
			want: "config.wsgi:application", why: "manage.py names config.settings.local, whose WSGI_APPLICATION it is"},
		{name: "Django without WSGI_APPLICATION", files: "-- manage.py --\n" + manage + "\n-- shop/settings/__init__.py --\nDEBUG = True\n-- shop/wsgi.py --\napplication = 1 + x\n",
			want: "shop.wsgi:application", why: "manage.py names shop.settings, which has no WSGI_APPLICATION; shop/wsgi.py is there"},
		{name: "Django, WSGI_APPLICATION reckoned", files: "-- manage.py --\n" + manage + "\n-- shop/settings.py --\nWSGI_APPLICATION = env('WSGI')\n-- shop/wsgi.py --\n",
			want: "shop.wsgi:application", why: "manage.py names shop.settings, which reckons its WSGI_APPLICATION; shop/wsgi.py is there"},
		{name: "Django, WSGI_APPLICATION one of two", files: "-- manage.py --\n" + manage + "\n-- shop/settings.py --\nimport os\nif os.environ.get('X'):\n    WSGI_APPLICATION = 'a.b.c'\nelse:\n    WSGI_APPLICATION = 'd.e.f'\n-- shop/wsgi.py --\n",
			want: "shop.wsgi:application", why: "manage.py names shop.settings, which reckons its WSGI_APPLICATION; shop/wsgi.py is there"},
		{name: "Django without wsgi.py", files: "-- manage.py --\n" + manage + "\n-- shop/settings.py --\nWSGI_APPLICATION = None\n",
			want: djangoFactory, variable: "DJANGO_SETTINGS_MODULE=shop.settings", why: "manage.py names shop.settings, whose WSGI_APPLICATION is None"},
		{name: "Django, settings elsewhere", files: "-- manage.py --\n" + manage,
			want: djangoFactory, variable: "DJANGO_SETTINGS_MODULE=shop.settings", why: "manage.py names shop.settings, which is not in the project"},
		{name: "Django with Passenger's file", files: "-- manage.py --\n" + manage + "\n-- shop/settings.py --\nWSGI_APPLICATION = 'shop.wsgi.application'\n-- passenger_wsgi.py --\nimport sys\nfrom shop.wsgi import application\n",
			want: "shop.wsgi:application", why: "manage.py names shop.settings, whose WSGI_APPLICATION it is"},
		{name: "Django with a wsgi.py beside manage.py", files: "-- manage.py --\n" + manage + "\n-- shop/settings.py --\nWSGI_APPLICATION = 'wsgi.application'\n-- wsgi.py --\nfrom django.core.wsgi import get_wsgi_application\napplication = get_wsgi_application()\n",
			want: "wsgi:application", why: "manage.py names shop.settings, whose WSGI_APPLICATION it is"},
		{name: "Django one directory down", files: "-- README --\n\n-- backend/manage.py --\n" + manage + "\n-- backend/shop/settings.py --\nWSGI_APPLICATION = 'shop.wsgi.application'\n",
			want: "shop.wsgi:application", path: "backend", why: "backend/manage.py names shop.settings, whose WSGI_APPLICATION it is"},
	}
}

func flaskShapes() []shape {
	return []shape{
		{name: "Flask", files: "-- app.py --\nfrom flask import Flask\n\napp = Flask(__name__)\n\n@app.get('/')\ndef index():\n    return ''\n\nif __name__ == '__main__':\n    app.run()\n",
			want: "app:app", why: "app.py has app"},
		{name: "Flask, wsgi.py and app.py", files: "-- app.py --\nfrom flask import Flask\napp = Flask(__name__)\n-- wsgi.py --\nfrom app import app as application\n",
			want: "wsgi:application", why: "wsgi.py has application"},
		{name: "Flask's factory", files: "-- app.py --\nimport flask\n\ndef create_app(config=None, *, debug=False, **rest) -> \"flask.Flask\":\n    app = flask.Flask(__name__)\n    return app\n",
			want: "app:create_app()", why: "app.py has the factory create_app"},
		{name: "a factory that was imported", files: "-- wsgi.py --\nfrom shop import (\n    make_app,  # it is\n)\n",
			want: "wsgi:make_app()", why: "wsgi.py has the factory make_app"},
		{name: "Flask of another name", files: "-- app.py --\nimport flask as f\nserver = f.Flask(__name__)\nother = f.Blueprint('x')\n",
			want: "app:server", why: "app.py has server, Flask's"},
		{name: "annotated, within try", files: "-- app.py --\nfrom __future__ import annotations\nfrom typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from flask import Flask\n    create_app: int\ntry:\n    app: Flask = make()\nexcept Exception:\n    app = None\n",
			want: "app:app", why: "app.py has app"},
		{name: "FLASK_APP", files: "-- app.py --\napp = f()\n-- hello.py --\nfrom flask import Flask\napp = Flask(__name__)\n", env: "FLASK_APP=hello",
			want: "hello:app", why: "FLASK_APP is hello, has app"},
		{name: "FLASK_APP with a factory", files: "-- shop/__init__.py --\ndef make(name='x'):\n    return app\n", env: "FLASK_APP=shop:make",
			want: "shop:make()", why: "FLASK_APP is shop:make, make is called"},
		{name: "FLASK_APP with arguments", files: "-- README --\n", env: "FLASK_APP=shop.web:make('a:b', c=(1, 2))",
			want: "shop.web:make('a:b', c=(1, 2))", why: "FLASK_APP is shop.web:make('a:b', c=(1, 2))"},
		{name: "FLASK_APP with a path", files: "-- src/hello.py --\napplication = x\n", env: "FLASK_APP=src/hello",
			want: "src/hello.py:application", why: "FLASK_APP is src/hello, has application"},
		{name: "FLASK_APP with a whole path", files: "-- src/hello.py --\napp = x\n", env: "FLASK_APP=/srv/shop/src/hello.py:app",
			want: "src/hello.py:app", why: "FLASK_APP is /srv/shop/src/hello.py:app"},
		{name: ".flaskenv", files: "-- .env --\nPORT=1\n-- .flaskenv --\n# FLASK_APP=not_this\nexport FLASK_APP = \"web:site\"  # it\nFLASK_DEBUG=1\n-- web.py --\nsite = 1 + 1\n",
			env: "FLASK_APP= ", want: "web:site", why: "FLASK_APP is web:site, says .flaskenv"},
	}
}

func otherShapes() []shape {
	return []shape{
		{name: "Pyramid", files: "-- production.ini --\n[app:main]\nuse = egg:shop\n[server:main]\nuse = egg:waitress#main\n-- testing.ini --\n[app:main]\nuse = egg:shop\n-- alembic.ini --\n[alembic]\nscript_location = x\n-- tox.ini --\n[tox]\n-- setup.py --\nfrom setuptools import setup\nsetup()\n",
			want: "production.ini", why: "production.ini has [app:main]"},
		{name: "a pipeline", files: "-- shop.ini --\n; the shop\n[pipeline:main]\npipeline =\n    translogger\n    [app:shop]\n    shop\n[app:shop]\nuse = egg:shop\n",
			want: "shop.ini", why: "shop.ini has [pipeline:main]"},
		{name: "a file of PasteDeploy that wsgi.py names", files: "-- production.ini --\n[app:main]\nuse = egg:shop\n-- wsgi.py --\nfrom pyramid.paster import get_app\napplication = get_app('/srv/shop/production.ini', 'main')\n",
			want: "wsgi:application", why: "wsgi.py has application"},

		{name: "a .wsgi file", files: "-- app.wsgi --\nimport sys\nsys.path.insert(0, '/srv/shop')\nfrom shop import app as application\n",
			want: "app.wsgi:application", why: "app.wsgi has application"},
		{name: "Passenger's file", files: "-- passenger_wsgi.py --\ndef application(environ, start_response):\n    pass\n",
			want: "passenger_wsgi:application", why: "passenger_wsgi.py has application"},
		{name: "a package of the same name", files: "-- app.py --\nfrom app import make\napp = make()\n-- app/__init__.py --\ndef make():\n    pass\n",
			want: "app.py:app", why: "app.py has app"},
		{name: "a file that serves by itself", files: "-- app.py --\nfrom bottle import default_app, run\napp = default_app()\nrun(app, host='localhost')\n",
			want: "app.py", why: "app.py starts its server itself"},
		{name: "a file that serves when it is a script", files: "-- app.py --\nimport subprocess\nfrom bottle import default_app, run\napp = default_app()\nsubprocess.run(['ls'])\nif (__name__ == '__main__'): run(app)\n",
			want: "app:app", why: "app.py has app"},

		{name: "a package", files: "-- shop/__init__.py --\nfrom flask import Flask\ndef create_app():\n    return Flask(__name__)\n-- shop/views.py --\napp = 1\n-- tests/app.py --\napp = f()\n",
			want: "shop:create_app()", why: "shop/__init__.py has the factory create_app"},
		{name: "a package with wsgi.py", files: "-- shop/__init__.py --\ndef create_app():\n    pass\n-- shop/wsgi.py --\nfrom . import create_app\napp = create_app()\n",
			want: "shop.wsgi:app", why: "shop/wsgi.py has app"},
		{name: "a package in src", files: "-- src/shop/__init__.py --\n-- src/shop/app.py --\napp = x()\n-- venv/pyvenv.cfg --\n-- venv/app.py --\napp = y()\n",
			want: "shop.app:app", path: "src", why: "src/shop/app.py has app"},
		{name: "a directory that is no package", files: "-- api/app.py --\nfrom flask import Flask\napp = Flask(__name__)\n-- node_modules/app.py --\napp = x()\n-- .git/app.py --\napp = x()\n",
			want: "api/app.py:app", why: "api/app.py has app"},
		{name: "nothing that is only further down", files: "-- app.py --\napp = f()\n-- api/app.py --\napp = f()\n",
			want: "app:app", why: "app.py has app"},
	}
}

func TestApplicationOfAProjectIsFound(t *testing.T) {
	for _, c := range slices.Concat(djangoShapes(), flaskShapes(), otherShapes()) {
		t.Run(c.name, func(t *testing.T) {
			found, err := look(c.files, c.env)
			if err != nil {
				t.Fatalf("%v; hint: %s", err, fault.Hint(err))
			}
			if found.Named() != c.want || found.PythonPath != c.path || found.Why != c.why || found.Variable != c.variable {
				t.Errorf("found %+v", found)
			}
			layer := found.Layer()
			if given := layer["wsgi_app"].Texts; found.App != "" && (len(given) != 1 || given[0] != c.want) {
				t.Errorf("the setting is %q", given)
			}
		})
	}
}

func TestSeveralApplicationsAreListedWithTheirCommands(t *testing.T) {
	files := "-- manage.py --\n" + manage + "\n-- shop/settings.py --\n-- app.py --\nfrom flask import Flask\napp = Flask(__name__)\n" +
		"-- development.ini --\n[app:main]\n-- production.ini --\n[composite:main]\n"
	_, err := Find(Options{Files: project(files), Dir: "/srv/shop", Env: func(string) string { return "" }, Args: []string{"-w", "2", "--name", "the shop"}})
	if fault.Of(err) != fault.ApplicationAmbiguous || fault.ExitCode(err) != fault.ExitUsage {
		t.Fatalf("Find returned %v", err)
	}
	for _, want := range []string{
		"\n  speyside -w 2 --name 'the shop' --env DJANGO_SETTINGS_MODULE=shop.settings 'django.core.wsgi:get_wsgi_application()'  # manage.py names",
		"\n  speyside -w 2 --name 'the shop' app:app  ", "  # app.py has app\n",
		"\n  speyside -w 2 --name 'the shop' development.ini  ", "# production.ini has [composite:main]",
	} {
		if hint := fault.Hint(err); !strings.Contains(hint, want) {
			t.Errorf("the hint has no %q: %s", want, hint)
		}
	}
	if !strings.Contains(err.Error(), "4 applications were found in /srv/shop: ") {
		t.Errorf("it says %v", err)
	}
	if _, err = look("-- a/app.py --\napp = x()\n-- src/b/__init__.py --\n-- src/b/wsgi.py --\napp = x()\n"); !strings.Contains(fault.Hint(err), "speyside --pythonpath src b.wsgi:app ") {
		t.Errorf("further down: %v: %s", err, fault.Hint(err))
	}
}

func TestNothingFoundSaysWhatWasLookedFor(t *testing.T) {
	for files, want := range map[string]string{
		"-- README --\n": "no directory further down",
		"-- manage.py --\nfrom flask_script import Manager\n":                             "manage.py sets no DJANGO_SETTINGS_MODULE",
		"-- app.py --\nfrom fastapi import FastAPI\napp = FastAPI()\n":                    "app.py has app, made by fastapi, which is ASGI",
		"-- app.py --\nfrom falcon import asgi\napp = asgi.App()\n":                       "app.py has app, made by falcon.asgi, which is ASGI",
		"-- app.py --\nimport celery\napp = celery.Celery()\n":                            "app.py has app, made by celery, which is no WSGI",
		"-- app.py --\ndef create_app(config): pass\n":                                    "app.py has create_app, which cannot be called without arguments",
		"-- app.py --\n'''\napp = Flask()\n'''\n# app = Flask()\n":                        "app.py has neither app nor application",
		"-- app.py --\nif TYPE_CHECKING:\n    app = Flask(__name__)\n":                    "app.py has neither app nor application",
		"-- app.py --\nif __name__ == '__main__':\n    app = Flask(__name__)\n":           "app.py has neither app nor application",
		"-- app.py --\ndef main():\n    app = Flask(__name__)\n":                          "app.py has neither app nor application",
		"-- app.py --\napp: Flask\n":                                                      "app.py has neither app nor application",
		"-- app.py --\napp = 'shop'\n":                                                    "app.py has app, which is no application",
		"-- app.py --\nfrom flask import Flask\na = Flask('a')\nb = Flask('b')\n":         "app.py has several of Flask's: a, b",
		"-- wsgi.py --\nprint(app = 1)\nx['app'] = y.app = 1\nf(\napp = 1\n)\n":           "wsgi.py has neither application nor app",
		"-- wsgi.py --\nx = f\"{'''\napp = 1\n'''}\"\ny = f'''{{ {x!r:>{w}} }}\napp=1'''": "wsgi.py has neither application nor app",
		"-- shop.ini --\n[app:other]\nuse = egg:shop\n":                                   "shop.ini has no [app:main]",
		"-- main.py --\nimport flask\napp = flask.Flask(__name__)\n":                      "main.py has app, and is not looked for: speyside main:app",
		"-- uwsgi.ini --\n[uwsgi]\nenv = a\nenv = b\n":                                    "uwsgi.ini is uWSGI's, and is not looked for: speyside --ini uwsgi.ini",
		"-- shop.ini --\nx = 1\n[server:main]\n":                                          "shop.ini: line 1: there is something before the first section",
		"-- shop/views.py --\napp = Flask(__name__)\n":                                    "there and in shop",
	} {
		_, err := look(files)
		if fault.Of(err) != fault.Usage || !strings.Contains(fault.Hint(err), want) || !strings.Contains(err.Error(), "none was found in /srv/shop") {
			t.Errorf("%q: %v; hint: %s", files, err, fault.Hint(err))
		}
	}
}

func TestHomeDirectoryIsNotSearchedFurtherDown(t *testing.T) {
	_, err := Find(Options{Files: project("-- shop/app.py --\napp = f()\n"), Dir: "/root", Shallow: true, Env: func(string) string { return "" }})
	if fault.Of(err) != fault.Usage || !strings.Contains(fault.Hint(err), "not further down") {
		t.Errorf("Find returned %v", err)
	}
}

func TestWhatCannotBeReadIsSaid(t *testing.T) {
	files := project("-- app.py --\napp = f()\n-- wsgi.py --\n" + strings.Repeat("# x\n", 1<<19))
	files["app.py"].Mode |= fs.ModeNamedPipe
	files["manage.py"] = &fstest.MapFile{Mode: fs.ModeDir | 0o755}
	_, err := Find(Options{Files: files, Dir: "/srv/shop", Env: func(string) string { return "" }})
	if !strings.Contains(fault.Hint(err), "wsgi.py has more than 1048576 bytes") || strings.Contains(fault.Hint(err), "app.py has") {
		t.Errorf("Find returned %v: %s", err, fault.Hint(err))
	}
}
