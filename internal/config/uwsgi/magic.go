package uwsgi

import (
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// magic fills in the variables of one letter, %n and its kin, everywhere in a file, as uWSGI does before it looks at a line. A letter that
// means nothing is left out with its %.
func (r *reader) magic(text, path, section string) string {
	if !strings.Contains(text, "%") {
		return text
	}
	if section == "uwsgi" {
		section = ""
	}
	own := r.about(path, section)
	first := r.about(r.first, "")
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] != '%' || i+1 == len(text) {
			b.WriteByte(text[i])
			continue
		}
		i++
		switch c := text[i]; {
		case c == '(':
			b.WriteString("%(")
		case c == '\n' || c == '\r':
			b.WriteByte(c) // or all lines below would be counted wrongly
		default:
			b.WriteString(r.letter(c, own, first))
		}
	}
	return b.String()
}

// about is what the letters say of a file, in lower case.
type about struct {
	path, name, base, extension, dir, parent, section, given string
	parts                                                    []string
	inode                                                    string
}

func (r *reader) about(path, section string) about {
	full := r.within(path)
	a := about{path: full, name: filepath.Base(full), dir: filepath.Dir(full) + "/", parent: filepath.Base(filepath.Dir(full)), section: section, given: path}
	if a.dir == "//" {
		a.dir = "/"
	}
	a.base = a.name
	if i := strings.LastIndexByte(a.name, '.'); i >= 0 {
		a.base, a.extension = a.name[:i], a.name[i+1:]
	}
	a.parts = strings.Split(strings.Trim(filepath.Dir(full), "/"), "/")
	var stat syscall.Stat_t
	if syscall.Stat(full, &stat) == nil {
		a.inode = strconv.FormatUint(stat.Ino, 10)
	}
	return a
}

func (a about) letter(c byte) string {
	switch c {
	case 'p':
		return a.path
	case 's':
		return a.name
	case 'd':
		return a.dir
	case 'e':
		return a.extension
	case 'n':
		return a.base
	case 'c':
		return a.parent
	case 'x':
		return a.section
	case 'o':
		return a.given
	case 'i':
		return a.inode
	}
	return ""
}

func (r *reader) letter(c byte, own, first about) string {
	w := &r.world
	switch c {
	case '%':
		return "%"
	case 'v':
		return w.Dir
	case 'V':
		return version
	case 'h':
		return w.Hostname
	case 'k':
		return strconv.Itoa(w.CPUs)
	case 't':
		return strconv.FormatInt(w.Now.Unix(), 10)
	case 'T':
		return strconv.FormatInt(w.Now.UnixMicro(), 10)
	case 'u':
		return w.User.Uid
	case 'U':
		return w.User.Username
	case 'g':
		return w.User.Gid
	case 'G':
		return w.Group
	case '[':
		return "\x1b"
	}
	if c >= '0' && c <= '9' {
		if i := int(c - '0'); i < len(own.parts) {
			return own.parts[i]
		}
		return ""
	}
	if c >= 'A' && c <= 'Z' {
		return first.letter(c + 'a' - 'A')
	}
	return own.letter(c)
}

// version is the uWSGI whose ways are followed.
const version = "2.0.31"
