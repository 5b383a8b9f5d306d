// Package policy holds the rules of the house that a machine can check: which room may import which, how long functions
// and files may grow, that exported names are documented, and that docs/architecture.md names only what exists.
// `go test ./tools/policy` runs them on the tree; each rule is a function of its own that returns complaints.
//
// It looks at source text only, of every platform, and builds nothing.
package policy

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"regexp"
	"strings"
)

// Source is one source file of the tree.
type Source struct {
	Path  string // from the root of the tree, with slashes
	Text  string
	Go    *ast.File      // nil for other languages
	Files *token.FileSet // of Go
}

// Generated reports whether the file says that a program wrote it.
func (s *Source) Generated() bool {
	head, _, _ := strings.Cut(s.Text, "\n")
	return generatedHead.MatchString(head)
}

var generatedHead = regexp.MustCompile(`Code generated .* DO NOT EDIT`)

// Test reports whether the file is a Go test.
func (s *Source) Test() bool { return strings.HasSuffix(s.Path, "_test.go") }

// notOurs are directories that hold no source of the tree. Those that begin with a dot are left out too.
var notOurs = map[string]bool{"build": true, "dist": true, "node_modules": true, "vendor": true, "testdata": true}

// Read returns the Go, C and Python sources below root.
func Read(root fs.FS) ([]Source, error) {
	var sources []Source
	err := fs.WalkDir(root, ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && name != "." && (notOurs[entry.Name()] || strings.HasPrefix(entry.Name(), ".")):
			return fs.SkipDir
		case entry.IsDir() || !isSource(name):
			return nil
		}
		text, err := fs.ReadFile(root, name)
		if err != nil {
			return err
		}
		source, err := newSource(name, string(text))
		sources = append(sources, source)
		return err
	})
	return sources, err
}

func isSource(name string) bool {
	switch path.Ext(name) {
	case ".go", ".c", ".h", ".py":
		return true
	}
	return false
}

func newSource(name, text string) (Source, error) {
	source := Source{Path: name, Text: text}
	if path.Ext(name) != ".go" {
		return source, nil
	}
	source.Files = token.NewFileSet()
	file, err := parser.ParseFile(source.Files, name, text, parser.ParseComments)
	if err != nil {
		return source, fmt.Errorf("parsing: %w", err)
	}
	source.Go = file
	return source, nil
}
