package policy

import (
	"fmt"
	"go/ast"
	"path"
	"strings"
)

const (
	maxFunction = 100 // lines
	maxFile     = 800 // lines
)

// excuse in the comment before a function lets it be longer: `Long on purpose: ` and why.
const excuse = "Long on purpose: "

// function is where one function lies in its file; lines count from 1.
type function struct {
	name        string
	first, last int
	comment     string
}

// Sizes complains about functions and files that have grown too long.
func Sizes(sources []Source) []string {
	var complaints []string
	for _, s := range sources {
		if s.Generated() {
			continue
		}
		if n := strings.Count(s.Text, "\n"); n > maxFile {
			complaints = append(complaints, fmt.Sprintf("%s has %d lines, more than %d", s.Path, n, maxFile))
		}
		for _, f := range functions(s) {
			if n := f.last - f.first + 1; n > maxFunction && !strings.Contains(f.comment, excuse) {
				complaints = append(complaints, fmt.Sprintf("%s:%d: %s has %d lines, more than %d", s.Path, f.first, f.name, n, maxFunction))
			}
		}
	}
	return complaints
}

func functions(s Source) []function {
	lines := strings.Split(s.Text, "\n")
	switch path.Ext(s.Path) {
	case ".go":
		return functionsGo(s)
	case ".py":
		return functionsPython(lines)
	}
	return functionsC(lines)
}

func functionsGo(s Source) []function {
	var found []function
	for _, d := range s.Go.Decls {
		if f, ok := d.(*ast.FuncDecl); ok {
			found = append(found, function{f.Name.Name, s.Files.Position(f.Pos()).Line, s.Files.Position(f.End()).Line, f.Doc.Text()})
		}
	}
	return found
}

// functionsC takes what lies between a brace that opens a block at the end of an unindented line and a lone brace in the
// first column.
func functionsC(lines []string) []function {
	var found []function
	open := function{}
	for i, line := range lines {
		switch {
		case line == "}" && open.first > 0:
			open.last = i + 1
			found = append(found, open)
			open = function{}
		case strings.HasPrefix(line, "}"):
			open = function{}
		case open.first == 0 && strings.HasSuffix(line, "{") && !strings.HasPrefix(line, " ") && !strings.Contains(line, "="):
			open = function{name: line, first: i + 1, comment: commentAbove(lines, i)}
		}
	}
	return found
}

// functionsPython takes what lies below a def, further to the right.
func functionsPython(lines []string) []function {
	var found []function
	for i, line := range lines {
		text := strings.TrimLeft(line, " ")
		if !strings.HasPrefix(text, "def ") && !strings.HasPrefix(text, "async def ") {
			continue
		}
		indent, last := len(line)-len(text), i
		for j := i + 1; j < len(lines); j++ {
			below := strings.TrimLeft(lines[j], " ")
			if below == "" {
				continue
			}
			if len(lines[j])-len(below) <= indent && below[0] != ')' {
				break
			}
			last = j
		}
		name, _, _ := strings.Cut(text, "(")
		found = append(found, function{name, i + 1, last + 1, commentAbove(lines, i)})
	}
	return found
}

// commentAbove returns the unbroken lines before line i.
func commentAbove(lines []string, i int) string {
	first := i
	for first > 0 && strings.TrimSpace(lines[first-1]) != "" {
		first--
	}
	return strings.Join(lines[first:i], "\n")
}
