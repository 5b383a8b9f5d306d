package observe

import (
	"io"
	"log/slog"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// NewJSONHandler returns a handler like NewHandler's that writes one JSON object for each record:
//
//	{"time":"2026-11-23T04:26:29.123+00:00","level":"info","event":"worker reaped","worker":3,"pid":812,"signal":"SIGKILL"}
//
// What Text gives is in the field "text", with its lines.
func NewJSONHandler(w io.Writer, level slog.Leveler) slog.Handler {
	return &handler{out: &output{w: w}, level: level, json: true}
}

// jsonLevel is gunicorn's name of a level.
func jsonLevel(level slog.Level) string {
	switch {
	case level < slog.LevelInfo:
		return "debug"
	case level < slog.LevelWarn:
		return "info"
	case level < slog.LevelError:
		return "warning"
	case level == slog.LevelError:
		return "error"
	}
	return "critical"
}

// appendRecord appends a record as JSON, without the fields.
func appendRecord(line []byte, when time.Time, level slog.Level, event string) []byte {
	line = when.AppendFormat(append(line, `{"time":"`...), "2006-01-02T15:04:05.000-07:00")
	line = append(append(line, `","level":"`...), jsonLevel(level)...)
	return appendJSON(append(line, `","event":`...), event)
}

// endRecord appends the text and what ends the line.
func endRecord(line []byte, text after) []byte {
	if text != "" {
		line = appendJSON(append(line, `,"text":`...), strings.TrimRight(string(text), "\n"))
	}
	return append(line, "}\n"...)
}

// appendField appends one field.
func appendField(line []byte, prefix, key string, value slog.Value) []byte {
	name := prefix + key
	switch name {
	case "time", "level", "event", "text":
		name += "_" // those are the record's
	}
	line = append(appendJSON(append(line, ','), name), ':')
	switch value.Kind() {
	case slog.KindInt64:
		return strconv.AppendInt(line, value.Int64(), 10)
	case slog.KindUint64:
		return strconv.AppendUint(line, value.Uint64(), 10)
	case slog.KindBool:
		return strconv.AppendBool(line, value.Bool())
	case slog.KindDuration:
		return strconv.AppendFloat(line, value.Duration().Seconds(), 'f', -1, 64)
	}
	return appendJSON(line, value.String())
}

// appendJSON appends a JSON string. Everything that is not printable is escaped, and bytes that are no UTF-8 are taken for Latin-1.
func appendJSON(line []byte, text string) []byte {
	line = append(line, '"')
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRuneInString(text[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			line = appendUnit(line, rune(text[i]))
		case r == '"' || r == '\\':
			line = append(line, '\\', byte(r))
		case r == '\n':
			line = append(line, '\\', 'n')
		case r == '\t':
			line = append(line, '\\', 't')
		case strconv.IsPrint(r):
			line = append(line, text[i:i+size]...)
		case r >= 0x10000:
			line = appendUnit(appendUnit(line, 0xd800+(r-0x10000)>>10), 0xdc00+(r-0x10000)&0x3ff)
		default:
			line = appendUnit(line, r)
		}
		i += size
	}
	return append(line, '"')
}

// appendUnit appends a unit of UTF-16 as an escape.
func appendUnit(line []byte, unit rune) []byte {
	const hex = "0123456789abcdef"
	return append(line, '\\', 'u', hex[unit>>12&15], hex[unit>>8&15], hex[unit>>4&15], hex[unit&15])
}
