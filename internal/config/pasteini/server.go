package pasteini

import (
	"fmt"
	"net"
	"slices"
	"strings"

	"speyside.dev/speyside/internal/settings"
)

// Server is what [server:main] says, in our words.
type Server struct {
	Layer settings.Layer
	Use   string   // the server that it is written for
	Rest  []string // the keys that mean nothing here, with their lines
	// Gunicorn is what is written for gunicorn, beyond where it listens: what that means is for internal/config/gunicorn.
	Gunicorn []Entry
}

// ours are the settings that have the meaning of another server's, by its name and that of the key.
var ours = map[string]map[string]string{
	"waitress": {"threads": "threads", "backlog": "backlog", "connection_limit": "max_connections", "url_prefix": "root_path",
		"max_request_body_size": "limit_request_body"},
	"Paste":    {"threadpool_workers": "threads"},
	"speyside": {},
}

// Server reads [server:main]. The file is called name in messages; the variables are here, __file__ and what the operator adds. The error is an *Error.
func (f *File) Server(name string, variables map[string]string) (*Server, error) {
	section := f.serverSection("main")
	if section == nil {
		return nil, nil
	}
	r := serverReader{file: f, section: section, name: name, variables: variables, server: &Server{Layer: settings.Layer{}}}
	for i := range section.Entries {
		if err := r.read(&section.Entries[i]); err != nil {
			return nil, err
		}
	}
	r.bind()
	return r.server, nil
}

// serverReader is a Server while it is read.
type serverReader struct {
	file       *File
	section    *Section
	name       string
	variables  map[string]string
	server     *Server
	kind       string // of the server that it is written for
	host, port string
	where      int // the line of one of them
	addresses  []string
}

func (r *serverReader) read(e *Entry) error {
	value, err := r.file.interpolate(r.section, e, r.variables)
	if err != nil {
		return err
	}
	if r.kind == "" {
		r.kind = r.usedBy()
	}
	switch {
	case e.Key == "use":
		r.server.Use = value
	case e.Key == "host":
		r.host, r.where = value, e.Line
	case e.Key == "port":
		r.port, r.where = value, e.Line
	case r.kind == "waitress" && e.Key == "listen":
		for _, address := range strings.Fields(value) {
			r.addresses = append(r.addresses, anywhere(address))
		}
		r.where = e.Line
	case r.kind == "waitress" && e.Key == "unix_socket":
		r.addresses, r.where = append(r.addresses, "unix:"+value), e.Line
	case r.kind == "gunicorn":
		r.server.Gunicorn = append(r.server.Gunicorn, Entry{e.Key, value, e.Line})
	default:
		return r.mapped(e, value)
	}
	return nil
}

// usedBy is the server that `use` names: egg:waitress#main is waitress.
func (r *serverReader) usedBy() string {
	use := ""
	if e := r.section.entry("use"); e != nil {
		use = e.Value
	}
	use, _, _ = strings.Cut(strings.TrimPrefix(use, "egg:"), "#")
	return use
}

// mapped gives the setting that the key means, if there is one.
func (r *serverReader) mapped(e *Entry, value string) error {
	table := settings.Table()
	at := slices.IndexFunc(table, func(s settings.Setting) bool {
		if r.kind == "speyside" {
			return s.Name == e.Key
		}
		return s.Name == ours[r.kind][e.Key]
	})
	switch {
	case at < 0 && r.kind == "speyside":
		return &Error{e.Line, "there is no setting " + e.Key + nearest(e.Key, table)}
	case at < 0:
		r.server.Rest = append(r.server.Rest, fmt.Sprintf("%s (line %d)", e.Key, e.Line))
		return nil
	}
	s := table[at]
	texts := []string{value}
	if s.Several() {
		texts = s.Split(value)
	}
	r.server.Layer[s.Name] = settings.Given{Texts: texts, Source: r.at(e.Line)}
	return nil
}

// nearest asks whether another setting was meant.
func nearest(key string, table []settings.Setting) string {
	names := make([]string, 0, len(table))
	for _, s := range table {
		names = append(names, s.Name)
	}
	if near := settings.Nearest(key, names); near != "" {
		return "; did you mean " + near + "?"
	}
	return ""
}

func (r *serverReader) at(line int) settings.Source {
	return settings.Source(fmt.Sprintf("%s:%d", r.name, line))
}

// bind makes addresses of host and port; a server that is given one alone has its own default for the other.
func (r *serverReader) bind() {
	if len(r.addresses) == 0 && (r.host != "" || r.port != "") {
		host, port := r.host, r.port
		if host == "" || host == "*" {
			host = "0.0.0.0"
		}
		if port == "" {
			port = "8080"
		}
		r.addresses = []string{net.JoinHostPort(strings.Trim(host, "[]"), port)}
	}
	if len(r.addresses) > 0 {
		r.server.Layer["bind"] = settings.Given{Texts: r.addresses, Source: r.at(r.where)}
	}
}

// anywhere is an address of waitress, whose * is every address of the machine.
func anywhere(address string) string {
	if port, all := strings.CutPrefix(address, "*:"); all {
		return "0.0.0.0:" + port
	}
	return address
}
