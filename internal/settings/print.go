package settings

import (
	"fmt"
	"io"
	"log/slog"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Print writes every effective value with its source, as a speyside.toml that has the same effect.
func (s *Settings) Print(w io.Writer) error {
	return s.printAll(w, true)
}

// PrintGiven is Print without what nobody has given: those values are Speyside's defaults.
func (s *Settings) PrintGiven(w io.Writer) error { return s.printAll(w, false) }

func (s *Settings) printAll(w io.Writer, defaults bool) error {
	var b strings.Builder
	s.print(&b, nil, defaults)
	for _, app := range s.Apps {
		b.WriteString("\n[app]\n")
		s.print(&b, app, defaults)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// print writes the settings of the server, or those of an application.
func (s *Settings) print(b *strings.Builder, app *App, defaults bool) {
	for i := range table {
		setting := &table[i]
		if setting.OfApp() != (app != nil) || !defaults && (!s.Given(setting.Name) || setting.NamesFile()) {
			continue
		}
		line := setting.Name + " = " + setting.toml(s, app)
		if value := setting.toml(s, app); value == `""` || value == "[]" && !s.Given(setting.Name) || setting.NamesFile() {
			line = "# " + line
		}
		fmt.Fprintf(b, "%-47s # %s\n", line, s.Source(setting.Name))
	}
}

// InFile is a value of the setting as a speyside.toml has it: its example, or its default.
func (s *Setting) InFile() string {
	if s.Example != "" {
		return s.Example
	}
	if s.Several() {
		return "[" + strings.Join(texts(s.defaults(), quote), ", ") + "]"
	}
	return s.scalar(s.Default)
}

// AllowsAuto reports whether the value may be the word auto.
func (s *Setting) AllowsAuto() bool { return s.auto != nil }

// toml is the effective value as a speyside.toml has it.
func (s *Setting) toml(from *Settings, app *App) string {
	values := s.texts(from, app)
	if !s.Several() {
		return s.scalar(values[0])
	}
	return "[" + strings.Join(texts(values, quote), ", ") + "]"
}

// scalar is one value: numbers and switches stand without quotes.
func (s *Setting) scalar(text string) string {
	switch _, err := strconv.ParseInt(text, 0, 64); {
	case s.Type == Bool:
		return strconv.FormatBool(text == "on")
	case err == nil && s.Type != String && s.Type != Path:
		return text
	}
	return quote(text)
}

// quote writes a TOML basic string.
func quote(text string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range text {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < ' ' || r == 0x7f:
			fmt.Fprintf(&b, `\u%04X`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// texts is the effective value as an operator would write it: one text for each of its elements.
func (s *Setting) texts(from *Settings, app *App) []string {
	switch value := s.at(from, app).(type) {
	case *[]string:
		return *value
	case *[]Address:
		return texts(*value, Address.String)
	case *[]Route:
		return texts(*value, Route.String)
	case *string:
		return []string{*value}
	case *bool:
		return []string{map[bool]string{true: "on", false: "off"}[*value]}
	case *time.Duration:
		return []string{s.durationText(*value)}
	case *int64:
		return []string{sizeText(*value)}
	case *slog.Level:
		return []string{levelNames[slices.Index(levels, *value)]}
	case *int:
		if s.Type == Mode && *value != 0 {
			return []string{fmt.Sprintf("0o%o", *value)}
		}
		return []string{strconv.Itoa(*value)}
	default:
		panic(fmt.Sprintf("settings: %s has a field of type %T", s.Name, value))
	}
}

func texts[T any](values []T, text func(T) string) []string {
	all := make([]string, 0, len(values))
	for _, value := range values {
		all = append(all, text(value))
	}
	return all
}

// durationText is a duration as it is written, by its word where it has one.
func (s *Setting) durationText(d time.Duration) string {
	for word, value := range s.words {
		if value == d && (d != 0 || word == "off") {
			return word
		}
	}
	text := d.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(text, zero) {
			text = text[:len(text)-2]
		}
	}
	if d == 0 {
		return "0"
	}
	return text
}

// sizeText is a number of bytes, with the largest unit of which it is a multiple.
func sizeText(n int64) string {
	for _, unit := range []struct {
		shift int
		name  string
	}{{30, "GB"}, {20, "MB"}, {10, "kB"}} {
		if n != 0 && n%(1<<unit.shift) == 0 {
			return strconv.FormatInt(n>>unit.shift, 10) + unit.name
		}
	}
	return strconv.FormatInt(n, 10)
}

// Kept is a setting that a reload cannot change, and was to.
type Kept struct {
	Name, Is, Wanted string
	Source           Source // of what was wanted
}

// Keep has s, which was read while a server runs with before, keep what only a restart can change, and returns what was to change.
func (s *Settings) Keep(before *Settings) []Kept {
	var kept []Kept
	for i := range table {
		setting := &table[i]
		is, wanted := setting.toml(before, before.Apps[0]), setting.toml(s, s.Apps[0])
		if setting.Reloadable || is == wanted {
			continue
		}
		kept = append(kept, Kept{setting.Name, is, wanted, s.Source(setting.Name)})
		to, from := reflect.ValueOf(setting.at(s, s.Apps[0])), reflect.ValueOf(setting.at(before, before.Apps[0]))
		to.Elem().Set(from.Elem())
		s.sources[setting.Name] = before.Source(setting.Name)
	}
	return kept
}

// String is the route as an operator writes it.
func (r Route) String() string {
	parts := []string{r.Prefix}
	if r.LimitRequestBody != nil {
		parts = append(parts, "limit_request_body="+sizeText(*r.LimitRequestBody))
	}
	if r.StreamRequest != nil {
		parts = append(parts, "stream_request="+map[bool]string{true: "on", false: "off"}[*r.StreamRequest])
	}
	if r.Timeout != nil {
		parts = append(parts, "timeout="+(&Setting{}).durationText(*r.Timeout))
	}
	return strings.Join(parts, " ")
}
