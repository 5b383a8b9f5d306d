package settings

import (
	"errors"
	"strings"
	"testing"

	"speyside.dev/speyside/internal/fault"
)

func TestWorkersBeginWithinTheirBounds(t *testing.T) {
	for line, want := range map[string][3]int{ // of a machine with 6 CPUs: at the start, at least, at most
		"app:app":                                   {6, 6, 6},
		"app:app --workers 3":                       {3, 3, 3},
		"app:app --workers-max 8":                   {6, 6, 8},
		"app:app --workers-min 2":                   {6, 2, 6},
		"app:app --workers-min 8":                   {8, 8, 8},
		"app:app --workers-max 4":                   {4, 4, 4},
		"app:app --workers-min 2 --workers-max 4":   {4, 2, 4},
		"app:app --workers-min 7 --workers-max 9":   {7, 7, 9},
		"app:app -w auto --workers-max 4":           {4, 4, 4},
		"app:app -w 2 --workers-max 4":              {2, 2, 4},
		"app:app -w 4 --workers-min 2":              {4, 2, 4},
		"app:app -w 3 --workers-min 3":              {3, 3, 3},
		"app:app --workers-min 0 --workers-max 0":   {6, 6, 6},
		"app:app --workers-max 1024":                {6, 6, 1024},
		"app:app --workers-min 2 --workers-calm 5m": {6, 2, 6},
	} {
		s := mustResolve(t, line)
		least, most, scaled := s.Scaled(s.Workers)
		if got := [3]int{s.Workers, least, most}; got != want || scaled != strings.Contains(line, "-m") && !strings.Contains(line, "min 0") {
			t.Errorf("%s: got %v and %v, want %v", line, got, scaled, want)
		}
	}
}

func TestWorkersThatNobodyHasChosenAreBroughtWithin(t *testing.T) {
	s := mustResolve(t, "app:app --workers-max 4")
	if s.Reckoned() != "6 CPUs, but workers_max" {
		t.Errorf("reckoned %q", s.Reckoned())
	}
	given, err := resolver{Sources{Flags: Layer{"wsgi_app": {[]string{"a"}, "-"}, "workers_min": {[]string{"3"}, "-"}},
		Defaults: Layer{"workers": {[]string{"1"}, "another server's default"}}}, machine{have: 6, granted: 6}}.resolve()
	if err != nil || given.Apps[0].Workers != 3 {
		t.Errorf("%+v, %v", given, err)
	}
}

func TestBoundsThatCannotBeAreOneReadableError(t *testing.T) {
	for line, want := range map[string]string{
		"app:app --workers-min 4 --workers-max 2": "setting workers_max is 2 (from --workers-max): it must be at least workers_min, which is 4 (from --workers-min)",
		"app:app -w 1 --workers-min 2":            "setting workers is 1 (from --workers): it is less than workers_min, which is 2 (from --workers-min)",
		"app:app -w 9 --workers-max 8":            "setting workers is 9 (from --workers): it is more than workers_max, which is 8 (from --workers-max)",
		"app:app -w 5 --workers-min 4 --workers-max 2": "setting workers_max is 2 (from --workers-max): it must be at least workers_min, " +
			"which is 4 (from --workers-min)",
		"app:app --workers-max 1025":    `setting workers_max is "1025" (from --workers-max): it must be an integer from 0 to 1024`,
		"app:app --workers-calm 0":      `setting workers_calm is "0" (from --workers-calm): it must be seconds or a duration such as 1m30s, from 0.1 to 24h`,
		"app:app --workers-memory 100k": `setting workers_memory is "100k" (from --workers-memory): it must be 0 or a size such as 300MB or 2GB, from 1MB to 1048576GB`,
	} {
		_, err := resolve(line)
		if err == nil || err.Error() != want || fault.Of(err) != fault.SettingInvalid || fault.Hint(err) == "" || len(fault.Each(err)) != 1 {
			t.Errorf("%s: %v, hint %q", line, err, fault.Hint(err))
		}
	}
	if _, err := resolve("app:app --workers-max 2", "WEB_CONCURRENCY=4"); err == nil ||
		!strings.Contains(err.Error(), "from environment variable WEB_CONCURRENCY") || !errors.Is(err, fault.New(fault.SettingInvalid, "")) {
		t.Errorf("got %v", err)
	}
}
