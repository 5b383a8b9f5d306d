package settings

import (
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestEverySettingIsDocumentedAndWellFormed(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range Table() {
		for _, name := range []string{s.Name, s.EnvName(), s.FlagName(), s.Short} {
			if name != "" && name != s.Name && seen[name] || s.Name == "" {
				t.Errorf("%s: %q is taken", s.Name, name)
			}
			seen[name] = true
		}
		if s.Doc == "" || s.Meta == "" || s.Since == "" || s.Check.Says == "" || s.Check.OK == nil {
			t.Errorf("%s lacks a doc, a meta, a version or a check", s.Name)
		}
		if !slices.Contains(Sections(), s.Section) {
			t.Errorf("%s is in section %q, which is not listed", s.Name, s.Section)
		}
		if len(s.Summary()) > 90 {
			t.Errorf("%s: the first sentence of its doc has %d characters, too many for --help", s.Name, len(s.Summary()))
		}
		if !s.Positional && s.DefaultWords() == "" {
			t.Errorf("%s does not say its default", s.Name)
		}
	}
}

func TestEveryFieldOfSettingsIsOneEntry(t *testing.T) {
	types := map[Type]any{Int: new(int), Mode: new(int), Duration: new(time.Duration), String: new(string), Path: new(string),
		List: new([]string), Addresses: new([]Address), Level: new(slog.Level), Size: new(int64), Bool: new(bool), Routes: new([]Route), Variables: new([]string)}
	target, app := &Settings{}, &App{}
	seen := map[any]bool{}
	for _, s := range Table() {
		field := s.at(target, app)
		if (s.field == nil) == (s.own == nil) {
			t.Errorf("%s is not either the server's or an application's", s.Name)
		}
		if seen[field] {
			t.Errorf("%s shares its field with another setting", s.Name)
		}
		seen[field] = true
		if want := types[s.Type]; reflect.TypeOf(field) != reflect.TypeOf(want) {
			t.Errorf("%s is a %s, and its field a %T", s.Name, s.Type, field)
		}
	}
	exported := -1 // Apps
	for _, f := range append(reflect.VisibleFields(reflect.TypeFor[Settings]()), reflect.VisibleFields(reflect.TypeFor[App]())...) {
		if f.IsExported() {
			exported++
		}
	}
	if exported != len(seen) {
		t.Errorf("Settings has %d fields and the table %d entries", exported, len(seen))
	}
}

func TestEveryDefaultIsAllowed(t *testing.T) {
	for _, s := range Table() {
		if s.Default != "" {
			if err := s.set(&Settings{}, &App{}, s.defaults(), machine{have: 2, granted: 2}); err != nil {
				t.Errorf("%s: default %q: %v", s.Name, s.Default, err)
			}
		}
	}
}

func TestHelpListsEverySettingWithinEightyColumns(t *testing.T) {
	help := Help()
	for _, s := range Table() {
		if !s.Positional && !strings.Contains(help, "--"+s.FlagName()+" "+s.Meta) {
			t.Errorf("--help lacks --%s", s.FlagName())
		}
	}
	for _, line := range strings.Split(help, "\n") {
		if utf8.RuneCountInString(line) > helpWidth || strings.TrimRight(line, " ") != line {
			t.Errorf("too long, or spaces at its end: %q", line)
		}
	}
}

func TestGunicornsFlagsAreSpelledAsThere(t *testing.T) {
	help := Help()
	for _, flag := range []string{"-b, --bind", "-w, --workers", "-m, --umask", "--threads", "--backlog", "--chdir", "--pythonpath", "--keep-alive",
		"--graceful-timeout", "--log-level", "--limit-request-line", "--limit-request-fields", "--forwarded-allow-ips",
		"--forwarder-headers", "--proxy-protocol", "--proxy-allow-from"} {
		if !strings.Contains(help, flag+" ") {
			t.Errorf("--help lacks %s", flag)
		}
	}
}

func TestEverySettingHasAnExample(t *testing.T) {
	for _, s := range Table() {
		if value := s.InFile(); !s.NamesFile() && (value == `""` || value == "[]") {
			t.Errorf("%s has neither a default nor an Example", s.Name)
		}
	}
}
