// Package observe tells people what the server does. NewHandler writes log lines in the house form; give it to slog.New.
//
// A line is an event in the past tense and its ids, and is written whole, with one Write. Nothing that a client or an
// application sends can move a terminal's cursor, change its colours or begin a line of its own.
package observe

import (
	"context"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

// NewHandler returns a handler that writes records of at least the given level to w:
//
//	2026-11-23 04:26:29 +0000 INFO  worker reaped worker=3 pid=812 generation=2 signal=SIGKILL
//
// Give it a *slog.LevelVar to change the level while it runs.
func NewHandler(w io.Writer, level slog.Leveler) slog.Handler {
	return &handler{out: &output{w: w}, level: level}
}

// output is shared by a handler and those derived from it: one line at a time.
type output struct {
	mu   sync.Mutex
	w    io.Writer
	line []byte
	text after // what follows the line
}

type handler struct {
	out    *output
	level  slog.Leveler
	fixed  []byte // the attributes of WithAttrs, as text
	prefix string // the groups of WithGroup, each with a dot
	json   bool
}

func (h *handler) Enabled(_ context.Context, level slog.Level) bool { return level >= h.level.Level() }

func (h *handler) Handle(_ context.Context, r slog.Record) error {
	h.out.mu.Lock()
	defer h.out.mu.Unlock()
	line := h.out.line[:0]
	when := r.Time
	if when.IsZero() {
		when = time.Now()
	}
	if h.json {
		line = appendRecord(line, when, r.Level, r.Message)
	} else {
		line = when.AppendFormat(line, "2006-01-02 15:04:05 -0700 ")
		line = append(line, levelName(r.Level)...)
		line = append(line, ' ')
		line = appendEscaped(line, r.Message)
	}
	h.out.text = ""
	r.Attrs(func(a slog.Attr) bool {
		if a.Value.Kind() == slog.KindAny {
			if lines, is := a.Value.Any().(after); is {
				h.out.text += lines
				return true
			}
		}
		line = h.appendAttr(line, h.prefix, a)
		return true
	})
	line = append(line, h.fixed...) // last: what all records of a part have in common tells the least
	if h.json {
		line = endRecord(line, h.out.text)
	} else {
		line = appendAfter(append(line, '\n'), h.out.text)
	}
	h.out.line = line
	_, err := h.out.w.Write(line)
	return err
}

func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	with := *h
	with.fixed = append([]byte(nil), h.fixed...)
	for _, a := range attrs {
		with.fixed = h.appendAttr(with.fixed, h.prefix, a)
	}
	return &with
}

func (h *handler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	with := *h
	with.prefix = h.prefix + name + "."
	return &with
}

// levelName returns the level's name in five columns.
func levelName(level slog.Level) string {
	switch {
	case level < slog.LevelInfo:
		return "DEBUG"
	case level < slog.LevelWarn:
		return "INFO "
	case level < slog.LevelError:
		return "WARN "
	}
	return "ERROR"
}

// Text is an attribute that is written after the record, line by line and indented, so that no line can pass for a record.
func Text(text string) slog.Attr { return slog.Any("", after(text)) }

// after is the text of Text.
type after string

// appendAfter appends a text's lines.
func appendAfter(line []byte, text after) []byte {
	if text == "" {
		return line
	}
	for _, one := range strings.Split(strings.TrimRight(string(text), "\n"), "\n") {
		if one != "" {
			line = append(line, "    "...)
			line = appendEscaped(line, one)
			line = append(line, '\n')
		}
	}
	return line
}

// appendAttr appends " name=value", or each member of a group so.
func (h *handler) appendAttr(line []byte, prefix string, a slog.Attr) []byte {
	value := a.Value.Resolve()
	if value.Kind() == slog.KindGroup {
		if a.Key != "" {
			prefix += a.Key + "."
		}
		for _, member := range value.Group() {
			line = h.appendAttr(line, prefix, member)
		}
		return line
	}
	if a.Equal(slog.Attr{}) {
		return line
	}
	if h.json {
		return appendField(line, prefix, a.Key, value)
	}
	line = append(line, ' ')
	line = appendEscaped(line, prefix)
	line = appendEscaped(line, a.Key)
	line = append(line, '=')
	switch value.Kind() {
	case slog.KindInt64:
		return strconv.AppendInt(line, value.Int64(), 10)
	case slog.KindUint64:
		return strconv.AppendUint(line, value.Uint64(), 10)
	}
	return appendValue(line, value.String())
}

// appendValue quotes a value that would not be read back as one word.
func appendValue(line []byte, text string) []byte {
	if isWord(text) {
		return append(line, text...)
	}
	return strconv.AppendQuote(line, text)
}

// isWord reports whether text can stand without quotes: it is not empty and has only printable characters, without
// spaces, quotes, backslashes and equals signs.
func isWord(text string) bool {
	for _, r := range text {
		if r == ' ' || r == '"' || r == '\\' || r == '=' || r == utf8.RuneError || !strconv.IsPrint(r) {
			return false
		}
	}
	return text != ""
}

// appendEscaped appends text with everything that is not printable as an escape of Go's.
func appendEscaped(line []byte, text string) []byte {
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRuneInString(text[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			const hex = "0123456789abcdef"
			line = append(line, '\\', 'x', hex[text[i]>>4], hex[text[i]&15])
		case strconv.IsPrint(r):
			line = append(line, text[i:i+size]...)
		default:
			quoted := strconv.AppendQuoteRune(nil, r)
			line = append(line, quoted[1:len(quoted)-1]...)
		}
		i += size
	}
	return line
}
