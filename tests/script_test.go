//go:build blackbox

// Package tests runs the built program as a user would: tests/script holds one page of the manual per file, told as
// commands and what they show. tests/script/README.md lists the commands.
//
//	SPEYSIDE=.venv/bin/speyside go test -tags blackbox ./tests
//	SPEYSIDE=.venv/bin/speyside go test -tags blackbox ./tests -run /workers -v
package tests

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// usual are the places of the program when SPEYSIDE is not set: where tools/test.sh and make demo install it.
var usual = []string{"../.build/py/bin/speyside", "../.venv/bin/speyside"}

func TestScripts(t *testing.T) {
	program, err := findProgram()
	if err != nil {
		t.Fatal(err)
	}
	scripts, err := filepath.Glob("script/*.txt")
	if err != nil || len(scripts) == 0 {
		t.Fatalf("there is no script in tests/script: %v", err)
	}
	testscript.Run(t, testscript.Params{
		Dir:                "script",
		Setup:              func(env *testscript.Env) error { return setup(env, program) },
		Cmds:               commands,
		RequireUniqueNames: true,
	})
}

// findProgram returns the absolute path of the program that is tested.
func findProgram() (string, error) {
	places := usual
	if given := os.Getenv("SPEYSIDE"); given != "" {
		places = []string{given}
		if !filepath.IsAbs(given) { // typed at the root of the tree; go test runs in tests
			places = []string{filepath.Join("..", given)}
		}
	}
	for _, place := range places {
		if info, err := os.Stat(place); err == nil && info.Mode().IsRegular() {
			return filepath.Abs(place)
		}
	}
	return "", fmt.Errorf("there is no program to test: not at %s; install it in a virtual environment and set SPEYSIDE to its bin/speyside",
		strings.Join(places, ", nor at "))
}

// setup gives a script the program and its Python on PATH, and the examples of the tree.
func setup(env *testscript.Env, program string) error {
	examples, err := filepath.Abs("../examples")
	if err != nil {
		return err
	}
	env.Setenv("PATH", filepath.Dir(program)+string(os.PathListSeparator)+env.Getenv("PATH"))
	env.Setenv("EXAMPLES", examples)
	env.Setenv("PYTHONDONTWRITEBYTECODE", "1")
	env.Values[serversKey{}] = servers{}
	env.Values[environmentKey{}] = slices.Clone(env.Vars)
	return nil
}

// commands are the commands of the scripts beyond those of testscript.
var commands = map[string]func(*testscript.TestScript, bool, []string){
	"serve":    cmdServe,
	"start":    cmdStart,
	"output":   cmdOutput,
	"signal":   cmdSignal,
	"ends":     cmdEnds,
	"exits":    cmdExits,
	"get":      cmdGet,
	"together": cmdTogether,
	"raw":      cmdRaw,
	"connects": cmdConnects,
	"hold":     cmdHold,
	"free":     cmdFree,
}

// need fails the script when a command is used in a way that it does not know.
func need(ts *testscript.TestScript, neg, right bool, usage string) {
	if neg || !right {
		ts.Fatalf("usage: %s", usage)
	}
}
