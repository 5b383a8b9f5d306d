package settings

import (
	"strings"
	"testing"
)

func TestFlagsOfAnotherServerAreHandedOn(t *testing.T) {
	foreign := []Foreign{{[]string{"-k", "--worker-class"}, true}, {[]string{"--reload"}, false}, {[]string{"-w", "--workers"}, true},
		{[]string{"--error-log", "--log-to"}, true}, {[]string{"-D", "--detach"}, false}}
	for line, want := range map[string]string{
		"-k gevent app -w 3":                  "--worker-class=gevent",
		"-kgevent app --workers=3":            "--worker-class=gevent",
		"--reload app --worker_class=-x -w 3": "--reload --worker-class=-x",
		"-D -w3 app --log-to - --error-log x": "--detach --log-to=- --error-log=x",
		"-Dw3 app":                            "--detach",
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
