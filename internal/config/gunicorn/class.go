package gunicorn

import (
	"fmt"
	"strconv"
	"strings"

	"speyside.dev/speyside/internal/settings"
)

// greenThreads are the threads of a worker that had greenlets: they cannot be as many as those.
const greenThreads = 16

// shortClass is the short name of one of gunicorn's own worker classes; any other text is returned as it is.
func shortClass(name string) string {
	name = strings.TrimPrefix(strings.TrimPrefix(name, "egg:gunicorn"), "#")
	switch name {
	case "gunicorn.workers.sync.SyncWorker":
		return "sync"
	case "gunicorn.workers.gthread.ThreadWorker":
		return "gthread"
	case "gunicorn.workers.ggevent.GeventWorker", "gunicorn.workers.ggevent.GeventPyWSGIWorker", "gevent_wsgi", "gevent_pywsgi":
		return "gevent"
	case "gunicorn.workers.geventlet.EventletWorker":
		return "eventlet"
	case "gunicorn.workers.gtornado.TornadoWorker":
		return "tornado"
	case "gunicorn.workers.gasgi.ASGIWorker":
		return "asgi"
	}
	return name
}

// class turns worker_class and threads into threads, and worker_connections into max_connections.
func (m *mapper) class() {
	class, given := m.found["worker_class"]
	threads, counted := m.found["threads"]
	name, isText := class.value.(string)
	switch {
	case !given || empty(class.value):
		name, given = "sync", false
	case !isText:
		m.refuseClass(class, "name one of gunicorn's: sync, gthread or gevent")
		return
	}
	row := m.rows["worker_class"]
	from, source, n := max(class.layer, 0), settings.Source(""), max(m.number("threads"), 1)
	switch {
	case given && counted:
		from = min(class.layer, threads.layer)
	case counted:
		from = threads.layer
	}
	if counted {
		source = threads.given.Source
	} else if given {
		source = class.given.Source
	}
	switch name = shortClass(name); {
	case name == "sync" || name == "gthread":
	case name == "gevent" || name == "eventlet":
		if n == 1 {
			n, source = greenThreads, class.given.Source
		}
		m.note(adapted, &row, class, "", fmt.Sprintf("%s is %d threads for each worker here, and nothing is monkey-patched; threads says how many", name, n))
	case name == "asgi" || strings.HasPrefix(name, "uvicorn.") || strings.HasPrefix(name, "uvicorn_worker."):
		m.refuseClass(class, "serve an ASGI application with an ASGI server; a WSGI application with worker_class gthread")
		return
	case name == "tornado":
		m.refuseClass(class, "run a Tornado application by itself; a WSGI application with worker_class gthread")
		return
	default:
		m.refuseClass(class, "workers are Speyside's own: name one of gunicorn's classes, sync, gthread or gevent")
		return
	}
	if source != "" {
		m.put(from, "threads", source, strconv.FormatInt(n, 10))
	}
	m.connections(n > 1)
	m.cuts(n > 1)
}

func (m *mapper) refuseClass(f found, instead string) {
	row := m.rows["worker_class"]
	m.refuse(&row, f, instead)
}

// connections: with threads gunicorn takes so many for each worker.
func (m *mapper) connections(threaded bool) {
	f, ok := m.found["worker_connections"]
	if n, isNumber := f.value.(int64); ok && isNumber && threaded {
		m.put(f.layer, "max_connections", f.given.Source, strconv.FormatInt(min(n*max(m.number("workers"), 1), 1_000_000), 10))
	}
}

// cuts notes that `timeout` ends requests which it never did with gunicorn's threads.
func (m *mapper) cuts(threaded bool) {
	if !threaded || m.number("timeout") == 0 {
		return
	}
	source := byDefault
	if f, ok := m.found["timeout"]; ok {
		source = f.given.Source
	}
	m.mapped.Notes = append(m.mapped.Notes, Note{Event: adapted, Setting: "timeout", Source: source, Ours: "timeout",
		Why: fmt.Sprintf("a request that takes longer than %d s is answered with 504 here, which gunicorn does with sync alone; 0 lets it go on", m.number("timeout"))})
}
