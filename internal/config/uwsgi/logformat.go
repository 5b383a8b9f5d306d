package uwsgi

import (
	"cmp"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"speyside.dev/speyside/internal/settings"
)

// logVariables are those of uWSGI's log-format, as atoms of access_log_format.
var logVariables = map[string]string{
	"addr": "%(h)s", "method": "%(m)s", "uri": "%({RAW_URI}e)s", "proto": "%(H)s", "status": "%(s)s", "user": "%(u)s", "host": "%({host}i)s",
	"msecs": "%(M)s", "micros": "%(D)s", "secs": "%(T)s", "size": "%(B)s", "rsize": "%(B)s", "pid": "%(p)s", "referer": "%(f)s", "uagent": "%(a)s",
	"time": "%(t)s", "ctime": "%(t)s", "ltime": "%(t)s", "ftime": "%(t)s", "cl": "%({content-length}i)s",
}

var logVariable = regexp.MustCompile(`%\([^)]*\)|%`)

// logFormat translates the format of uWSGI's request log; what the front does not know is a hyphen, and named.
func (m *mapping) logFormat(o Option) {
	var unknown []string
	format := logVariable.ReplaceAllStringFunc(strings.ReplaceAll(o.Value, "%%", "%"), func(written string) string {
		if written == "%" {
			return "%%"
		}
		name := written[2 : len(written)-1]
		if atom := logVariables[name]; atom != "" {
			return atom
		}
		if variable, ok := strings.CutPrefix(name, "var."); ok {
			if header, ok := strings.CutPrefix(variable, "HTTP_"); ok {
				return "%({" + strings.ToLower(strings.ReplaceAll(header, "_", "-")) + "}i)s"
			}
			return "%({" + variable + "}e)s"
		}
		unknown = append(unknown, name)
		return "-"
	})
	if len(unknown) > 0 {
		slices.Sort(unknown)
		m.note(o, "the access log has a hyphen for "+shown(strings.Join(slices.Compact(unknown), ", "))+"; docs/logging.md says what it has, and json by name is simpler")
	}
	m.set("access_log_format", o, format)
}

// logged is an option that has requests logged although the others are not.
func (m *mapping) logged(o Option, condition string) {
	kind, _, _ := strings.Cut(condition, "=")
	m.only = slices.DeleteFunc(m.only, func(before string) bool { return before == kind || strings.HasPrefix(before, kind+"=") })
	if truth(o) {
		m.only, m.onlyFrom = append(m.only, condition), o
	}
}

// some is logged for an option without a value.
func some(condition string) func(*mapping, Option) {
	return func(m *mapping, o Option) { m.logged(o, condition) }
}

// least is logged for an option whose value is the number from which on requests count.
func least(kind, unit string) func(*mapping, Option) {
	return func(m *mapping, o Option) {
		if n, ok := m.number(o); ok {
			m.logged(o, kind+"="+strconv.FormatInt(n, 10)+unit)
		}
	}
}

// logger is where the log goes.
func (m *mapping) logger(o Option) {
	if name, is := strings.CutPrefix(o.Value, "syslog"); is && (name == "" || name[0] == ':') {
		m.syslog(o, strings.TrimPrefix(name, ":"))
		return
	}
	to, ok := destination(o.Value)
	switch _, given := m.given["errorlog"]; {
	case !ok:
		m.note(o, elsewhere)
	case given:
		m.note(o, "the log goes to one place, which the line before it names: a collector of logs reads it there")
	default:
		m.set("errorlog", o, to)
	}
}

// syslog sends both logs to the syslog server of this machine: `NAME,FACILITY`, each of which may be left out.
func (m *mapping) syslog(o Option, said string) {
	name, facility, _ := strings.Cut(said, ",")
	m.set("syslog", o, "on")
	m.set("syslog_addr", o, "unix:///dev/log")
	m.set("syslog_prefix", o, cmp.Or(name, "uwsgi"))
	m.set("syslog_facility", o, cmp.Or(strings.ToLower(facility), "daemon"))
}

// syslogFlag is log-syslog, which may have no value, or one that turns it off.
func (m *mapping) syslogFlag(o Option) {
	switch {
	case off(o):
	case strings.EqualFold(o.Value, "true"), strings.EqualFold(o.Value, "on"), strings.EqualFold(o.Value, "yes"), o.Value == "1":
		m.syslog(o, "")
	default:
		m.syslog(o, o.Value)
	}
}

// requestLogger is where the access log goes.
func (m *mapping) requestLogger(o Option) {
	to, ok := destination(o.Value)
	if !ok {
		m.note(o, elsewhere)
		return
	}
	m.requests = settings.Given{Texts: []string{to}, Source: source(o)}
}

const elsewhere = "logs go to a file or to standard output: write file:PATH or stdio:, and have the journal or a collector of logs send it on"

// destination is that of `file:PATH`, `file:logfile=PATH,…` and `stdio:`; a logger with a name is for certain lines only.
func destination(value string) (string, bool) {
	way, rest, _ := strings.Cut(value, ":")
	switch way {
	case "stdio":
		return settings.Standard, true
	case "file":
		if strings.Contains(rest, "=") {
			for part := range strings.SplitSeq(rest, ",") {
				if path, ok := strings.CutPrefix(part, "logfile="); ok {
					return path, path != ""
				}
			}
			return "", false
		}
		return rest, rest != ""
	}
	return "", false
}

// finishLogs: uWSGI has a line for each request unless it is told otherwise, in the file where the rest is.
func (m *mapping) finishLogs() {
	switch {
	case m.quiet && len(m.only) == 0:
		delete(m.given, "access_log_format")
		return
	case m.quiet:
		m.set("access_log_only", m.onlyFrom, m.only...)
	}
	given := settings.Given{Texts: []string{"-"}, Source: "uWSGI's default"}
	if log, ok := m.given["errorlog"]; ok {
		given = log
	}
	if m.requests.Texts != nil {
		given = m.requests
	}
	m.accesslog = given
}
