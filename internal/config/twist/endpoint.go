package twist

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"speyside.dev/speyside/internal/fault"
)

// firstInherited is the number of the first descriptor that a service manager hands over.
const firstInherited = 3

// endpoint is one description of where to listen: `tcp:8080:interface=127.0.0.1`.
type endpoint struct {
	kind  string
	words []string          // without a name, in their order
	named map[string]string // interface=127.0.0.1
}

// split takes a description apart; a backslash lets a colon, an equals sign or a backslash stand for itself.
func split(text string) endpoint {
	e := endpoint{named: map[string]string{}}
	var word strings.Builder
	name, hasName := "", false
	end := func() {
		switch {
		case hasName:
			e.named[name] = word.String()
		case e.kind == "" && len(e.words) == 0:
			e.kind = word.String()
		default:
			e.words = append(e.words, word.String())
		}
		word.Reset()
		name, hasName = "", false
	}
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\\' && i+1 < len(text):
			i++
			word.WriteByte(text[i])
		case c == ':':
			end()
		case c == '=' && !hasName:
			name, hasName = word.String(), true
			word.Reset()
		default:
			word.WriteByte(c)
		}
	}
	end()
	return e
}

// word is an argument by its name, or by its place.
func (e *endpoint) word(name string, place int) string {
	if value, ok := e.named[name]; ok {
		return value
	}
	if place < len(e.words) {
		return e.words[place]
	}
	return ""
}

// addresses are those of --listen and of --port.
func (l *line) addresses() {
	all := l.listen
	if l.port != "" {
		all = append(slices.Clone(all), l.port)
	}
	var bind []string
	for _, text := range all {
		address, err := l.address(text)
		if err != nil {
			l.wrong = append(l.wrong, err)
			continue
		}
		bind = append(bind, address)
	}
	if len(bind) > 0 {
		l.set("bind", "--listen", bind...)
	}
}

func (l *line) address(text string) (string, *fault.Error) {
	e := split(text)
	if _, err := strconv.Atoi(text); err == nil {
		e = endpoint{kind: "tcp", words: []string{text}}
	}
	known := map[string][]string{"tcp": {"port", "interface", "backlog"}, "tcp6": {"port", "interface", "backlog"},
		"unix": {"address", "mode", "backlog", "lockfile"}, "systemd": {"domain", "index"}}
	switch e.kind {
	case "ssl", "tls", "txsni", "le", "lets":
		return "", fault.New(fault.OptionRefused, "--listen=%s cannot be honoured", text).WithHint("TLS is not there yet: end it in the proxy in front.")
	case "tcp", "tcp6", "unix", "systemd":
		for name := range e.named {
			if !slices.Contains(known[e.kind], name) {
				return "", usage("--listen=%s: %s has no %s", text, e.kind, name).WithHint("it has %s.", strings.Join(known[e.kind], ", "))
			}
		}
	default:
		return "", fault.New(fault.OptionRefused, "--listen=%s cannot be honoured", text).WithHint("tcp:PORT:interface=ADDRESS, tcp6:, unix:PATH and systemd: are there.")
	}
	if backlog := e.word("backlog", 2); backlog != "" {
		l.set("backlog", "--listen", backlog)
	}
	return l.plain(text, &e)
}

func (l *line) plain(text string, e *endpoint) (string, *fault.Error) {
	switch e.kind {
	case "unix":
		return l.unix(text, e)
	case "systemd":
		index, err := strconv.Atoi(e.word("index", 1))
		if err != nil || index < 0 {
			return "", usage("--listen=%s: the index must be a number", text)
		}
		return fmt.Sprintf("fd://%d", firstInherited+index), nil
	}
	port := e.word("port", 0)
	if number, err := strconv.Atoi(port); err != nil || number < 0 || number > 65535 {
		return "", usage("--listen=%s: the port must be a number up to 65535", text)
	}
	host := e.word("interface", 1)
	if host == "" && e.kind == "tcp6" {
		host = "::"
	}
	return net.JoinHostPort(host, port), nil
}

func (l *line) unix(text string, e *endpoint) (string, *fault.Error) {
	path := e.word("address", 0)
	if path == "" {
		return "", usage("--listen=%s has no path", text)
	}
	mode := e.word("mode", 1)
	if mode == "" {
		mode = "666" // Twisted's
	}
	bits, err := strconv.ParseInt(mode, 8, 32)
	if err != nil || bits < 0 || bits > 0o777 {
		return "", usage("--listen=%s: the mode must be an octal number such as 660", text)
	}
	l.set("umask", "--listen", fmt.Sprintf("0o%03o", 0o777&^bits))
	return "unix:" + path, nil
}
