package settings

import (
	"strings"
	"testing"
)

func TestFlagsOfAnotherServerAreHandedOn(t *testing.T) {
	foreign := []Foreign{{[]string{"-k", "--worker-class"}, true}, {[]string{"--spew"}, false}, {[]string{"-w", "--workers"}, true},
		{[]string{"--error-note", "--note-to"}, true}, {[]string{"-X", "--detach"}, false}}
	for line, want := range map[string]string{
		"-k gevent app -w 3":                    "--worker-class=gevent",
		"-kgevent app --workers=3":              "--worker-class=gevent",
		"--spew app --worker_class=-x -w 3":     "--spew --worker-class=-x",
		"-X -w3 app --note-to - --error-note x": "--detach --note-to=- --error-note=x",
		"-Xw3 app":                              "--detach",
	} {
		got, err := ParseFlags(strings.Fields(line), foreign...)
		if err != nil || strings.Join(got.Foreign, " ") != want || got.Given["workers"].Texts[0] != "3" || got.Given["wsgi_app"].Texts[0] != "app" {
			t.Errorf("%s: %v, %+v", line, err, got)
		}
	}
	if _, err := ParseFlags([]string{"app", "--worker-class"}, foreign...); err == nil {
		t.Error("a flag without its value was taken")
	}
}
