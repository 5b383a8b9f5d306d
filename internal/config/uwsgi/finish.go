package uwsgi

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"speyside.dev/speyside/internal/settings"
)

func (m *mapping) application(o Option, file bool) { m.app, m.appFile = o, file }

// finish does what depends on several options.
func (m *mapping) finish() {
	m.finishApplication()
	m.finishSockets()
	m.finishOwner()
	m.finishMask()
	m.finishLogs()
	m.finishCheaper()
	m.finishTitles()
	if m.green.Name != "" {
		m.finishGreen()
	}
	if text, err := json.Marshal(m.payload); err != nil || len(text) > mostPayload {
		m.complain(Option{Where: Where{File: m.file.Name}}, "its options have more than %d bytes together", mostPayload)
	}
}

// finishApplication names the one application there is.
func (m *mapping) finishApplication() {
	switch {
	case len(m.mounts) > 0 && m.app.Name != "":
		m.refuse(m.mounts[0], "one application is served beside each other, and "+m.app.Name+" = "+shown(m.app.Value)+" names one already: start another server for it")
		return
	case len(m.mounts) > 1:
		m.refuse(m.mounts[1], "one application is served: start another server for it")
		return
	case len(m.mounts) == 1:
		m.mounted(m.mounts[0])
		return
	case m.app.Name == "":
		return // it may be on the command line
	}
	m.setApplication(m.app, m.app.Value, m.appFile)
}

// mounted is `mount = /prefix=application`.
func (m *mapping) mounted(o Option) {
	prefix, app, ok := strings.Cut(o.Value, "=")
	if !ok || !strings.HasPrefix(prefix, "/") || app == "" {
		m.complain(o, "mount is %q: it must be /prefix=module:callable", shown(o.Value))
		return
	}
	m.setApplication(o, app, strings.HasSuffix(app, ".py") || strings.HasSuffix(app, ".wsgi"))
	if prefix = strings.TrimRight(prefix, "/"); prefix != "" && m.script {
		m.set("root_path", o, prefix)
	}
}

func (m *mapping) setApplication(o Option, app string, file bool) {
	callable := m.callable
	if callable == "" {
		callable = "application"
	}
	switch {
	case app == "":
		m.complain(o, "%s has no value", o.Name)
		return
	case file, !strings.Contains(app, ":"):
		app += ":" + callable
	}
	m.set("wsgi_app", o, app)
}

// bind is an address for HTTP.
func (m *mapping) bind(o Option) {
	name, _, _ := strings.Cut(o.Value, ",")
	switch {
	case strings.HasPrefix(name, "@") || strings.HasPrefix(name, `\0`):
		m.refuse(o, "a Unix socket has a path here")
	case strings.HasPrefix(name, "="):
		m.refuse(o, "shared sockets are not there; write the address itself")
	default:
		m.address("bind", o, name)
	}
}

// stats is an address where the state is told. What cannot be one protects nothing and changes nothing of the service.
func (m *mapping) stats(o Option) {
	if strings.HasPrefix(o.Value, "@") || strings.HasPrefix(o.Value, `\0`) {
		m.note(o, "a Unix socket has a path here: write that, or 127.0.0.1 and a port")
		return
	}
	m.address("stats", o, o.Value)
}

// statsForm is an option that says how it is told.
func (m *mapping) statsForm(o Option, form string) {
	if truth(o) && !slices.Contains(m.given["stats_form"].Texts, form) {
		appendText("stats_form")(m, Option{Name: o.Name, Value: form, Where: o.Where})
	}
}

// address adds one to a setting, in its form.
func (m *mapping) address(setting string, o Option, address string) {
	switch {
	case address == "":
		m.complain(o, "%s has no address", o.Name)
		return
	case strings.HasPrefix(address, "*:"):
		address = address[1:]
	case strings.HasPrefix(address, "fd://"):
	case !strings.Contains(address, ":"):
		if _, err := strconv.Atoi(address); err == nil {
			m.complain(o, "%s is %s, which is no address", o.Name, address).Hint = "write :" + address + " for the port."
			return
		}
		address = "unix:" + address
	}
	m.given[setting] = settings.Given{Texts: append(m.given[setting].Texts, address), Source: source(o)}
}

// finishSockets decides on the addresses for the uwsgi protocol, which is not spoken.
func (m *mapping) finishSockets() {
	for _, o := range m.sockets {
		switch {
		case m.protocol == "http" && o.Name == "socket":
			m.bind(o)
		case m.given["bind"].Texts != nil:
			m.note(o, "the uwsgi protocol is not spoken, only what http or http-socket names is listened on: let nginx go there, with proxy_pass")
		default:
			m.refuse(o, "the uwsgi protocol is not spoken: write http-socket = "+shown(o.Value)+", and in nginx proxy_pass in the place of uwsgi_pass; docs/migrating-uwsgi.md shows both")
		}
	}
	if p := m.protocol; p != "" && p != "http" && p != "uwsgi" {
		m.complain(Option{Where: Where{File: m.file.Name}}, "the protocol %s is not spoken; http is", shown(p))
	}
}

// finishOwner: sockets belong to the user that the server runs as.
func (m *mapping) finishOwner() {
	if m.owner.Name == "" {
		return
	}
	user, group, hasGroup := strings.Cut(m.owner.Value, ":")
	same := func(setting, wanted string) bool {
		texts := m.given[setting].Texts
		return len(texts) == 1 && texts[0] == wanted
	}
	if !same("user", user) || hasGroup && !same("group", group) {
		m.refuse(m.owner, "sockets belong to the user and the group of the server: say the same with uid and gid, or let a systemd socket unit own them")
	}
}

func (m *mapping) chmod(o Option) {
	if o.Bare || o.Value == "" {
		o.Value = "666"
	}
	m.mode = o
}

func (m *mapping) umask(o Option) { m.mask = o }

// finishMask: the mode of sockets is what counts most, then the umask of the file.
func (m *mapping) finishMask() {
	o := m.mask
	if m.mode.Name != "" {
		o = m.mode
	}
	if o.Name == "" {
		return
	}
	bits, err := strconv.ParseInt(o.Value, 8, 32)
	if err != nil || bits < 0 || bits > 0o777 {
		m.complain(o, "%s is %q: it must be an octal number such as 660", o.Name, shown(o.Value))
		return
	}
	if o.Name == m.mode.Name {
		bits = 0o777 &^ bits
	}
	m.set("umask", o, fmt.Sprintf("0o%03o", bits))
}

func (m *mapping) greenlets(o Option) { m.green = o }

// mostGreen is how many threads a worker has for an application that had greenlets: each has a stack and perhaps a connection to a database.
const mostGreen = 16

func (m *mapping) finishGreen() {
	n, ok := m.number(m.green)
	if _, given := m.given["threads"]; !ok || given {
		return
	}
	m.set("threads", m.green, strconv.FormatInt(max(1, min(n, mostGreen)), 10))
	m.note(m.green, "requests run on threads, and nothing is monkey-patched; --threads says how many, the front keeps slow clients away from them")
}

// finishCheaper: with cheaper, processes is the most that there are.
func (m *mapping) finishCheaper() {
	least, ok := int64(0), true
	if m.cheaper.Name != "" && !off(m.cheaper) {
		least, ok = m.number(m.cheaper)
	}
	if !ok || least == 0 {
		for _, o := range []Option{m.initial, m.algorithm} {
			if o.Name != "" {
				m.note(o, "without cheaper all workers run")
			}
		}
		return
	}
	begin, most := m.begun(least), m.given["workers"]
	if most.Texts == nil {
		most = settings.Given{Texts: []string{"1"}, Source: "uWSGI's default for processes"}
	}
	m.given["workers"] = begin
	if m.algorithm.Value == "manual" {
		m.note(m.algorithm, "the number of workers stays what it is at the start: speyside scale, TTIN and TTOU change it")
		return
	}
	m.set("workers_min", m.cheaper, strconv.FormatInt(least, 10))
	m.given["workers_max"] = most
	if m.algorithm.Name != "" {
		m.note(m.algorithm, "there is one algorithm: one more worker comes when a request has waited for 0.1 seconds and no thread is free, one leaves after workers_calm")
	}
}

// begun is how many workers there are at the start. As in uWSGI fewer than cheaper are none.
func (m *mapping) begun(least int64) settings.Given {
	o, n := m.cheaper, least
	if m.initial.Name != "" {
		switch initial, ok := m.number(m.initial); {
		case !ok:
		case initial < least:
			m.note(m.initial, "it is less than cheaper, which counts")
		default:
			o, n = m.initial, initial
		}
	}
	return settings.Given{Texts: []string{strconv.FormatInt(n, 10)}, Source: source(o)}
}

func (m *mapping) keepalive(o Option) {
	if o.Name != "http-keepalive" || !truth(o) {
		return
	}
	if n, err := strconv.Atoi(o.Value); err == nil && n > 1 {
		m.set("keepalive", o, o.Value)
	}
}

// spool: what lies in memory while it arrives. Small numbers are written for `on`.
func (m *mapping) spool(o Option) {
	if n, ok := m.number(o); ok && n >= 4096 {
		m.set("spool_threshold", o, strconv.FormatInt(min(n, settings.MaxInMemory), 10))
	}
}

func (m *mapping) buffer(o Option) {
	if n, ok := m.number(o); ok {
		limit := strconv.FormatInt(min(n, settings.MaxHead), 10)
		m.set("limit_request_line", o, limit)
		m.set("limit_request_field_size", o, limit)
	}
}

func (m *mapping) staticMap(o Option, whole bool) {
	prefix, directory, ok := strings.Cut(o.Value, "=")
	if o.Name == "check-static" || o.Name == "static-check" {
		prefix, directory, ok = "", o.Value, true
	}
	if !ok || directory == "" || prefix != "" && prefix[0] != '/' {
		m.complain(o, "%s is %q: it must be /prefix=directory", o.Name, shown(o.Value))
		return
	}
	m.payload.Static = append(m.payload.Static, Static{prefix, m.within(directory), whole})
}

func (m *mapping) header(o Option) {
	name, _, ok := strings.Cut(o.Value, ":")
	if !ok || name == "" || strings.ContainsAny(name, " \t") {
		m.complain(o, "%s is %q: it must be Name: value", o.Name, shown(o.Value))
		return
	}
	m.payload.AddHeader = append(m.payload.AddHeader, o.Value)
}

// mostLocks is as many as a process may keep descriptors of.
const mostLocks = 64

func (m *mapping) locks(o Option) {
	n, ok := m.number(o)
	if ok && n > mostLocks {
		m.complain(o, "locks is %d: at most %d are kept", n, mostLocks)
		return
	}
	m.payload.Locks = int(n)
}

// defaults are uWSGI's, where an application can tell.
func (m *mapping) defaults() settings.Layer {
	layer := settings.Layer{}
	for name, value := range map[string]string{"workers": "1", "threads": "1", "preload": "on", "timeout": "0", "graceful_timeout": "60",
		"umask": fmt.Sprintf("0o%03o", m.world.Umask)} {
		layer[name] = settings.Given{Texts: []string{value}, Source: settings.Source("uWSGI's default")}
	}
	if m.given["user"].Texts != nil && m.given["group"].Texts != nil {
		layer["initgroups"] = settings.Given{Texts: []string{"on"}, Source: settings.Source("uWSGI's default")}
	}
	if m.accesslog.Texts != nil {
		layer["accesslog"] = m.accesslog
	}
	return layer
}
