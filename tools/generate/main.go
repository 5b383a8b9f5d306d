// Command generate writes the files that are derived from a description, so that each fact is said once.
//
//	go run ./tools/generate          writes them
//	go run ./tools/generate -check   writes nothing; exits 1 and lists what differs
//
// The outputs are listed in outputs. To derive another file, add a line there.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"go/format"
	"os"
	"path/filepath"
	"slices"
)

// output is one generated file: where it lies in the tree, and what it should contain.
type output struct {
	path string
	make func(root string) ([]byte, error)
}

// outputs is every generated file of the tree.
var outputs = []output{
	{"internal/wire/layout_gen.go", makeLayoutGo},
	{"ext/layout.h", makeLayoutC},
	{"ext/moves.h", makeMovesC},
	{"internal/wire/PROTOCOL.md", makeMovesDoc("internal/wire/PROTOCOL.md")},
	{"ext/faults.h", makeFaultsC},
	{"python/speyside/_faults.py", makeFaultsPython},
	{"python/speyside/_version.py", makeVersionPython},
	{"docs/settings.md", makeSettingsDoc},
	{"docs/speyside.schema.json", makeSchema},
	{"docs/errors.md", makeErrorsDoc},
	{"docs/exit-codes.md", makeExitsDoc},
	{"docs/speyside.1", makeManual},
	{"docs/metrics.md", makeMetricsDoc},
	{"docs/migrating-uwsgi.md", makeUWSGIDoc("docs/migrating-uwsgi.md")},
	{"docs/lifecycle.md", makeLifeDoc("docs/lifecycle.md")},
	{"docs/migrating-gunicorn.md", makeGunicornDoc("docs/migrating-gunicorn.md")},
	{"tests/python/gunicorn_settings.json", makeGunicornJSON},
}

func main() {
	check := flag.Bool("check", false, "write nothing; list the files that differ and exit 1")
	root := flag.String("root", ".", "root of the tree")
	flag.Parse()
	complaints, err := run(*root, *check)
	if err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
	for _, complaint := range complaints {
		fmt.Fprintln(os.Stderr, "generate:", complaint)
	}
	if len(complaints) > 0 {
		os.Exit(1)
	}
}

// run writes or compares every output and returns what -check has to complain about.
func run(root string, check bool) ([]string, error) {
	var complaints []string
	for _, out := range outputs {
		want, err := out.make(root)
		if err != nil {
			return nil, fmt.Errorf("making %s: %w", out.path, err)
		}
		path := filepath.Join(root, out.path)
		have, err := os.ReadFile(path)
		switch {
		case err == nil && bytes.Equal(have, want):
		case check:
			complaints = append(complaints, out.path+" is not what its description says: run go run ./tools/generate")
		default:
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				return nil, err
			}
			if err := os.WriteFile(path, want, 0o644); err != nil {
				return nil, err
			}
		}
	}
	if !check {
		return nil, nil
	}
	untested, err := checkSettings(root)
	if err != nil {
		return nil, err
	}
	unshown, err := checkExits(root)
	return slices.Concat(complaints, untested, unshown), err
}

func readLayout(root string) (*layout, error) {
	text, err := os.ReadFile(filepath.Join(root, "internal/wire/layout.txt"))
	if err != nil {
		return nil, err
	}
	return parseLayout(string(text))
}

func makeLayoutGo(root string) ([]byte, error) {
	l, err := readLayout(root)
	if err != nil {
		return nil, err
	}
	return format.Source([]byte(layoutGo(l)))
}

func makeLayoutC(root string) ([]byte, error) {
	l, err := readLayout(root)
	if err != nil {
		return nil, err
	}
	return []byte(layoutC(l)), nil
}
