package uwsgi

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/tools/txtar"

	"speyside.dev/speyside/internal/fault"
	"speyside.dev/speyside/internal/settings"
)

// world is a directory with these files, and an environment that has COLOUR.
func world(t testing.TB, files map[string]string) World {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	return World{Dir: dir, CPUs: 2, Hostname: "shop1", User: user.User{Uid: "33", Username: "www", Gid: "34"}, Group: "web", Now: time.Unix(1700000000, 0), Umask: 0o022,
		LookupEnv: func(name string) (string, bool) { return "blue", name == "COLOUR" }}
}

func archives(t testing.TB, pattern string) map[string]map[string]string {
	t.Helper()
	paths, err := filepath.Glob(pattern)
	if err != nil || len(paths) == 0 {
		t.Fatalf("no cases in %s: %v", pattern, err)
	}
	all := map[string]map[string]string{}
	for _, path := range paths {
		archive, err := txtar.ParseFile(path)
		if err != nil {
			t.Fatal(err)
		}
		files := map[string]string{}
		for _, f := range archive.Files {
			files[f.Name] = string(f.Data)
		}
		all[filepath.Base(path)] = files
	}
	return all
}

// The expectations are what uWSGI 2.0.31 itself says with --show-config.
func TestFilesAreReadAsUWSGIDoes(t *testing.T) {
	for name, files := range archives(t, "testdata/read/*.txt") {
		t.Run(name, func(t *testing.T) {
			want := files["options"]
			delete(files, "options")
			w := world(t, files)
			f, err := Read("app.ini", w)
			if err != nil {
				t.Fatal(err)
			}
			var got strings.Builder
			for _, o := range f.Options {
				fmt.Fprintf(&got, "%s = %s\n", o.Name, o.Value)
			}
			want = strings.NewReplacer("$WORK", w.Dir, "$BASE", filepath.Base(w.Dir)).Replace(want)
			if got.String() != want {
				t.Errorf("got:\n%s\nwant:\n%s", got.String(), want)
			}
		})
	}
}

func TestLettersSayWhereTheServerRuns(t *testing.T) {
	w := world(t, map[string]string{"a.ini": "[uwsgi]\nx = %h %k %u %U %g %G %t\nprocesses = %(%k * 2)\n"})
	f, err := Read("a.ini", w)
	if err != nil {
		t.Fatal(err)
	}
	if got := f.Options[0].Value + ", " + f.Options[1].Value; got != "shop1 2 33 www 34 web 1700000000, 4" {
		t.Errorf("got %q", got)
	}
}

func TestVariablesOfTheEnvironmentComeFirst(t *testing.T) {
	w := world(t, map[string]string{"a.ini": "[uwsgi]\nprocesses = 2\n"})
	w.Environ = []string{"UWSGI_PROCESSES=5", "UWSGI_THREADS=3", "UWSGI_NO_SUCH=1", "HOME=/"}
	f, err := Read("a.ini", w)
	if err != nil {
		t.Fatal(err)
	}
	c, err := f.Map(w)
	if err != nil || c.Given["workers"].Texts[0] != "2" || c.Given["threads"].Texts[0] != "3" || len(f.Options) != 3 {
		t.Errorf("%v %+v %v", f.Options, c, err)
	}
}

// What a file says, and what the error must say of it.
var unreadable = map[string]struct {
	files      map[string]string
	says, hint string
}{
	"there is none":          {map[string]string{}, "reading app.ini: no such file", ""},
	"a directory":            {map[string]string{"app.ini/x": ""}, "it is no regular file", ""},
	"binary":                 {map[string]string{"app.ini": "[uwsgi]\na\x00b"}, "it has a byte 0", ""},
	"not UTF-8":              {map[string]string{"app.ini": "[uwsgi]\na=\xff"}, "not encoded as UTF-8", ""},
	"enormous":               {map[string]string{"app.ini": strings.Repeat("#\n", 600_000)}, "larger than 1 MB", ""},
	"many options":           {map[string]string{"app.ini": "[uwsgi]\n" + strings.Repeat("a=1\n", 10_001)}, "more than 10000 options", ""},
	"no section":             {map[string]string{"app.ini": "module = app\n"}, "app.ini: there is no section [uwsgi]", "below a line [uwsgi]"},
	"another section":        {map[string]string{"app.ini": "[web]\nmodule = app\n"}, "there is no section [uwsgi]", "it has [web]"},
	"half a section":         {map[string]string{"app.ini": "[uwsgi]\nmodule = app\n[we"}, "app.ini:3: [we is no section: a ] is missing", ""},
	"half an option":         {map[string]string{"app.ini": "[uwsgi]\nmodule = app\nhttp-sock"}, "app.ini:3: http-sock is no option", "did you mean http-socket?"},
	"no name":                {map[string]string{"app.ini": "[uwsgi]\n = 1"}, "app.ini:2: = 1 has no name", ""},
	"never ended":            {map[string]string{"app.ini": "[uwsgi]\nif-env = COLOUR\na=1"}, "app.ini:2: if-env is never ended", "endif ="},
	"ends nothing":           {map[string]string{"app.ini": "[uwsgi]\nendif ="}, "app.ini:2: endif ends nothing", ""},
	"nested":                 {map[string]string{"app.ini": "[uwsgi]\nif-env = A\nfor = x\nendfor =\nendif ="}, "app.ini:3: for stands inside if-env of line 2", ""},
	"circular":               {map[string]string{"app.ini": "[uwsgi]\nini = b.ini", "b.ini": "[uwsgi]\nini = c.ini", "c.ini": "[uwsgi]\n\nini = app.ini"}, "c.ini:3: files include each other in a circle", "take one"},
	"itself":                 {map[string]string{"app.ini": "[uwsgi]\nini = :uwsgi"}, "app.ini:2: files include each other in a circle", ""},
	"an include is missing":  {map[string]string{"app.ini": "[uwsgi]\nini = none.ini"}, "app.ini:2: reading none.ini: no such file", "relative names start in"},
	"a program in a value":   {map[string]string{"app.ini": "[uwsgi]\na = @(exec://id)"}, "app.ini:2: @(exec://id) is filled in from files alone", ""},
	"a program as a file":    {map[string]string{"app.ini": "[uwsgi]\nini = exec://id"}, "app.ini:2: ini is read from files alone", ""},
	"a file that is missing": {map[string]string{"app.ini": "[uwsgi]\na = @(none.txt)"}, "app.ini:2: reading none.txt: no such file", ""},
	"rounds without end":     {map[string]string{"app.ini": "[uwsgi]\nfor-times = 99999999\na = 1\nendfor ="}, "app.ini:2: for-times is 99999999", ""},
	"many lines in rounds":   {map[string]string{"app.ini": "[uwsgi]\nfor-times = 10000\n" + strings.Repeat("x = %(_)\n", 100_000) + "endfor ="}, "more than 10000 options", ""},
	"nothing but beginnings": {map[string]string{"app.ini": "[uwsgi]\nx = " + strings.Repeat("%(a", 300_000)}, "a value has more than 65536 bytes", ""},
	"values that double":     {map[string]string{"app.ini": "[uwsgi]\na = 12345678\n" + doubling(30)}, "a value has more than 65536 bytes", ""},
}

func doubling(times int) string {
	var b strings.Builder
	last := "a"
	for i := range times {
		name := fmt.Sprintf("a%d", i)
		fmt.Fprintf(&b, "%s = %%(%s)%%(%s)\n", name, last, last)
		last = name
	}
	return b.String()
}

func TestWhatCannotBeReadIsOneReadableError(t *testing.T) {
	for name, c := range unreadable {
		t.Run(name, func(t *testing.T) {
			_, err := Read("app.ini", world(t, c.files))
			if err == nil {
				t.Fatal("it was read")
			}
			first := fault.Each(err)[0]
			if !strings.Contains(first.Error(), c.says) || !strings.Contains(fault.Hint(first), c.hint) || fault.Of(first) == nil {
				t.Errorf("error %q, hint %q", first, fault.Hint(first))
			}
		})
	}
}

func TestEverythingThatIsWrongIsTold(t *testing.T) {
	_, err := Read("app.ini", world(t, map[string]string{"app.ini": "[uwsgi]\nmodul\n=\nendif =\nini = none.ini\n"}))
	if n := len(fault.Each(err)); n != 4 {
		t.Errorf("%d errors: %v", n, err)
	}
}

func TestASectionIsNamedAfterTheFile(t *testing.T) {
	w := world(t, map[string]string{"a.ini": "[uwsgi]\na = 1\n[two]\nb = 2\n"})
	f, err := Read("a.ini:two", w)
	if err != nil || len(f.Options) != 1 || f.Options[0].Name != "b" || f.Options[0].Where.String() != "a.ini:4" {
		t.Errorf("%+v, %v", f, err)
	}
}

// The same options in each form.
func TestYAMLAndJSONSayWhatAnIniFileSays(t *testing.T) {
	files := map[string]string{
		"app.ini": "[uwsgi]\nmaster = true\nbase = %d\nchdir = %(base)x\nenv = A=b\nenv = C=d\nprocesses = %(%k * 2)\nif-env = COLOUR\nhue = %(_)\nendif =\nmode = 0660\n" +
			"ini = more.ini\nvacuum = \n",
		"more.ini": "[uwsgi]\nthreads = 2\n",
		"app.yaml": "# as people have it\nother: {x: y}\nuwsgi:\n  master: true\n  base: %d\n  chdir: %(base)x\n  env:\n    - A=b\n    - \"C=d\"\n  processes: '%(%k * 2)'\n" +
			"  if-env: COLOUR\n  hue: %(_)\n  endif:\n  mode: 0660\n  yaml: more.yml\n  vacuum:\nlast: [1]\n",
		"more.yml": "uwsgi:\n  threads: 2 # of each\n",
		"app.json": `{"other": {"x": [{"y": 1}]}, "none": 3, "uwsgi": {"master": true, "base": "%d", "chdir": "%(base)x", "env": ["A=b", "C=d"],
			"processes": "%(%k * 2)", "if-env": "COLOUR", "hue": "%(_)", "endif": null, "mode": "0660", "include": "more.json", "vacuum": ""}}`,
		"more.json": `{"uwsgi": {"threads": 2}}`,
	}
	w := world(t, files)
	var all []string
	for _, name := range []string{"app.ini", "app.yaml", "app.json"} {
		f, err := Read(name, w)
		if err != nil {
			t.Fatal(err)
		}
		var got strings.Builder
		for _, o := range f.Options {
			if !isInclude(o.Name) {
				fmt.Fprintf(&got, "%s = %s\n", o.Name, o.Value)
			}
			if o.Where.Line == 0 || !strings.HasSuffix(o.Where.File, filepath.Ext(name)) && filepath.Ext(name) != ".yaml" {
				t.Errorf("%s is at %s", o.Name, o.Where)
			}
		}
		all = append(all, got.String())
	}
	if all[0] != all[1] || all[0] != all[2] || !strings.Contains(all[0], "processes = 4\nhue = blue\nmode = 0660\nthreads = 2\nvacuum = \n") {
		t.Errorf("%s\n%s\n%s", all[0], all[1], all[2])
	}
}

func TestAnOptionOfAnyFormSaysItsLine(t *testing.T) {
	for name, text := range map[string]string{"app.yaml": "web:\n  processes: 1\n\n  chroot:\n  - /a\n", "app.json": "{\"web\":\n {\"processes\": 1,\n\n\n  \"chroot\": \"/a\"}}"} {
		w := world(t, map[string]string{name: text})
		f, err := Read(name+":web", w)
		if err != nil {
			t.Fatal(err)
		}
		if _, err = f.Map(w); err == nil || !strings.HasPrefix(err.Error(), name+":5: chroot = /a cannot be honoured") {
			t.Error(err)
		}
	}
}

func TestWhatIsNoYAMLOrJSONIsOneErrorWithItsLine(t *testing.T) {
	for says, file := range map[string][2]string{
		"app.json:3: invalid character":                         {"app.json", "{\"uwsgi\": {\n\"a\": 1,\n}}"},
		"app.json:2: it ends in the middle":                     {"app.json", "{\"uwsgi\": {\n\"a\": 1,"},
		"app.json:1: it ends in the middle":                     {"app.json", ""},
		"app.json:1: the file is no object":                     {"app.json", "[1]"},
		"app.json:2: something follows the object":              {"app.json", "{\"uwsgi\": {}}\n{}"},
		"app.json:2: a is neither a value nor a list of values": {"app.json", "{\"uwsgi\": {\n\"a\": {\"b\": 1}}}"},
		"app.json:3: c is neither a value nor a list of values": {"app.json", "{\"uwsgi\": {\n\n\"c\": [[1]]}}"},
		"app.json:1: a has a line break or another control":     {"app.json", `{"uwsgi": {"a": "b\nc"}}`},
		"app.json: there is no section uwsgi":                   {"app.json", `{"web": {"a": "b"}}`},
		"app.yaml:2: did not find expected key":                 {"app.yaml", "uwsgi:\n  a: b\n c: [\n"},
		"app.yaml:2: a is neither a value nor a list of values": {"app.yaml", "uwsgi:\n  a:\n    b: c\n"},
		"app.yaml:1: it has no sections":                        {"app.yaml", "- a\n"},
		"app.yaml: there is no section uwsgi":                   {"app.yaml", ""},
		"app.yaml:3: a second document begins":                  {"app.yaml", "uwsgi:\n  a: b\n---\nc: d\n"},
		"app.yaml:2: a has a line break or another control":     {"app.yaml", "uwsgi:\n  a: |\n    b\n    c\n"},
		"app.yaml:2: files include each other in a circle":      {"app.yaml", "uwsgi:\n  yaml: app.yaml\n"},
		"app.json:2: uwsgi is no object of options":             {"app.json", "{\n\"uwsgi\": 1}"},
		"app.yaml:1: uwsgi is no mapping of options":            {"app.yaml", "uwsgi:\n"},
		"reading app.yaml: no such file":                        {"b.yaml", ""},
	} {
		w := world(t, map[string]string{file[0]: file[1]})
		name := "app" + filepath.Ext(file[0])
		_, err := Read(name, w)
		if err == nil || !strings.HasPrefix(err.Error(), says) || fault.Of(fault.Each(err)[0]) == nil {
			t.Errorf("want %s: %v", says, err)
		}
	}
}

func FuzzForms(f *testing.F) {
	for _, text := range []string{"uwsgi:\n  a: b\n  c:\n  - %d\n", "uwsgi: &a {b: c}\nd: *a\n", `{"uwsgi": {"a": ["b", 1, true, null]}}`, `{"x": [{}], "uwsgi": 1}`} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, name := range []string{"app.yaml", "app.json"} {
			_, err := Read(name, world(t, map[string]string{name: text}))
			for _, one := range fault.Each(err) {
				if err != nil && (fault.Of(one) == nil || strings.ContainsAny(one.Error(), "\x00\x1b")) {
					t.Errorf("an error without a code, or not for a terminal: %q", one)
				}
			}
		}
	})
}

func FuzzRead(f *testing.F) {
	seeds := 0
	for _, files := range archives(f, "testdata/*/*.txt") {
		f.Add(files["app.ini"], files["lines.txt"])
		seeds++
	}
	for _, c := range unreadable {
		if len(c.files["app.ini"]) < 10_000 {
			f.Add(c.files["app.ini"], c.files["b.ini"])
			seeds++
		}
	}
	if seeds < 10 {
		f.Fatalf("the corpus has %d cases", seeds)
	}
	f.Fuzz(func(t *testing.T, text, other string) {
		w := world(t, map[string]string{"app.ini": text, "b.ini": other, "lines.txt": other})
		file, err := Read("app.ini", w)
		for _, one := range fault.Each(err) {
			if err != nil && (fault.Of(one) == nil || strings.ContainsAny(one.Error(), "\x00\x1b")) {
				t.Errorf("an error without a code, or not for a terminal: %q", one)
			}
		}
		if err != nil {
			return
		}
		c, err := file.Map(w)
		if err != nil {
			return
		}
		for name, given := range c.Given {
			if _, ok := settings.Named(name); !ok || len(given.Texts) == 0 || given.Source == "" {
				t.Errorf("%s: %+v", name, given)
			}
		}
	})
}
