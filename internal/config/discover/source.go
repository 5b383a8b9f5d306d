package discover

import (
	"strings"
)

// What follows reads Python as far as names, strings, brackets, lines and blocks go, which is what can be said of a program without executing it
// and has not changed between the versions of Python.

// kind is that of a token.
type kind byte

const (
	name  kind = iota
	text       // a string whose value is known
	other      // a number, or a string whose value is not: f"…", b"…"
	mark       // an operator or a bracket
)

type token struct {
	kind kind
	text string
}

// statement is one simple statement, or the head of a compound one.
type statement struct {
	tokens []token
	depth  int  // of blocks
	head   bool // a block follows
}

// openers begin a compound statement; match and case do where a colon ends the line.
var openers = map[string]bool{"if": true, "elif": true, "else": true, "for": true, "while": true, "try": true, "except": true, "finally": true,
	"with": true, "def": true, "class": true, "async": true}

// scanner cuts a file into statements.
type scanner struct {
	rest    string
	line    []token // the logical line that is being read
	indent  int     // its column
	columns []int   // of the blocks around
	found   []statement
}

// statements returns those of a file, in order. What is no Python gives some statements all the same.
func statements(source string) []statement {
	s := scanner{rest: strings.TrimPrefix(source, "\ufeff"), columns: []int{0}}
	for s.rest != "" {
		s.indentation()
		s.logicalLine()
		s.endLine()
	}
	return s.found
}

// indentation reads the blanks that a line begins with.
func (s *scanner) indentation() {
	s.indent = 0
	for s.rest != "" {
		switch s.rest[0] {
		case ' ':
			s.indent++
		case '\t':
			s.indent = (s.indent/8 + 1) * 8
		case '\f':
			s.indent = 0
		default:
			return
		}
		s.rest = s.rest[1:]
	}
}

// logicalLine reads up to the line feed that is in no bracket, string or comment and has no backslash before it.
func (s *scanner) logicalLine() {
	s.line = s.line[:0]
	for brackets := 0; s.rest != ""; {
		c := s.rest[0]
		switch {
		case c == '\n' || c == '\r':
			s.rest = s.rest[1:]
			if brackets == 0 {
				return
			}
		case c == ' ' || c == '\t' || c == '\f':
			s.rest = s.rest[1:]
		case c == '#':
			if end := strings.IndexAny(s.rest, "\r\n"); end >= 0 {
				s.rest = s.rest[end:]
			} else {
				s.rest = ""
			}
		case c == '\\':
			s.rest = strings.TrimPrefix(strings.TrimPrefix(s.rest[1:], "\r"), "\n")
		default:
			t := s.token()
			s.line = append(s.line, t)
			switch {
			case t.kind == mark && strings.Contains("([{", t.text):
				brackets++
			case t.kind == mark && strings.Contains(")]}", t.text) && brackets > 0:
				brackets--
			}
		}
	}
}

// token reads one.
func (s *scanner) token() token {
	letters := 0
	for letters < len(s.rest) && isWord(s.rest[letters]) {
		letters++
	}
	if word := s.rest[:letters]; letters > 0 {
		s.rest = s.rest[letters:]
		switch {
		case s.rest != "" && (s.rest[0] == '"' || s.rest[0] == '\'') && isPrefix(word):
			return s.quoted(strings.ToLower(word))
		case word[0] >= '0' && word[0] <= '9':
			return token{other, word}
		}
		return token{name, word}
	}
	if s.rest[0] == '"' || s.rest[0] == '\'' {
		return s.quoted("")
	}
	for _, long := range []string{"**=", "//=", ">>=", "<<=", "...", "==", "!=", "<=", ">=", ":=", "->", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", "@=",
		"**", "//", "<<", ">>"} {
		if strings.HasPrefix(s.rest, long) {
			s.rest = s.rest[len(long):]
			return token{mark, long}
		}
	}
	t := token{mark, s.rest[:1]}
	s.rest = s.rest[1:]
	return t
}

func isWord(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
}

// isPrefix reports whether word can stand before the quote of a string.
func isPrefix(word string) bool {
	return len(word) <= 2 && strings.Trim(strings.ToLower(word), "rbuft") == ""
}

// quoted reads a string, the quote first.
func (s *scanner) quoted(prefix string) token {
	quote := s.rest[:1]
	if triple := strings.Repeat(quote, 3); strings.HasPrefix(s.rest, triple) {
		quote = triple
	}
	raw, formatted := strings.Contains(prefix, "r"), strings.ContainsAny(prefix, "ft")
	start := len(quote)
	at := start
	for braces := 0; at < len(s.rest); {
		switch c := s.rest[at]; {
		case c == '\\' && at+1 < len(s.rest):
			at += 2
			continue
		case formatted && braces == 0 && (strings.HasPrefix(s.rest[at:], "{{") || strings.HasPrefix(s.rest[at:], "}}")):
			at += 2
			continue
		case formatted && c == '{':
			braces++
		case formatted && c == '}' && braces > 0:
			braces--
		// Since 3.12 the quote may stand within braces; before, it could not be there at all.
		case braces > 0 && (c == '"' || c == '\''):
			inner := scanner{rest: s.rest[at:]}
			inner.quoted("")
			at = len(s.rest) - len(inner.rest)
			continue
		case strings.HasPrefix(s.rest[at:], quote):
			value := s.rest[start:at]
			s.rest = s.rest[at+len(quote):]
			return stringToken(value, raw, formatted || strings.Contains(prefix, "b"))
		case c == '\n' && len(quote) == 1: // it does not end: no Python
			s.rest = s.rest[at:]
			return token{kind: other}
		}
		at++
	}
	s.rest = ""
	return token{kind: other}
}

func stringToken(value string, raw, unknown bool) token {
	switch {
	case unknown:
		return token{kind: other}
	case !raw && strings.Contains(value, `\`):
		value = strings.NewReplacer("\\\n", "", `\\`, `\`, `\'`, `'`, `\"`, `"`).Replace(value)
	}
	return token{text, value}
}

// endLine makes statements of the logical line.
func (s *scanner) endLine() {
	if len(s.line) == 0 {
		return
	}
	for len(s.columns) > 1 && s.indent < s.columns[len(s.columns)-1] {
		s.columns = s.columns[:len(s.columns)-1]
	}
	if s.indent > s.columns[len(s.columns)-1] {
		s.columns = append(s.columns, s.indent)
	}
	depth, line := len(s.columns)-1, append([]token(nil), s.line...)
	if colon := headEnd(line); colon > 0 {
		s.found = append(s.found, statement{line[:colon], depth, true})
		depth++
		line = line[colon+1:]
	}
	for len(line) > 0 {
		end := outside(line, ";")
		if end < 0 {
			end = len(line)
		}
		if end > 0 {
			s.found = append(s.found, statement{line[:end], depth, false})
		}
		line = line[min(end+1, len(line)):]
	}
}

// headEnd is where the colon of a compound statement is; 0: it is a simple one.
func headEnd(line []token) int {
	first, last := line[0], line[len(line)-1]
	soft := (first.text == "match" || first.text == "case") && last == token{mark, ":"}
	if first.kind != name || !openers[first.text] && !soft {
		return 0
	}
	if soft {
		return len(line) - 1
	}
	return max(outside(line, ":"), 0)
}

// outside is the index of the first such mark that is in no bracket and no lambda, or -1.
func outside(tokens []token, wanted string) int {
	brackets, lambdas := 0, 0
	for i, t := range tokens {
		switch {
		case t == token{name, "lambda"}:
			lambdas++
		case t.kind != mark:
		case strings.Contains("([{", t.text):
			brackets++
		case strings.Contains(")]}", t.text):
			brackets--
		case t.text == ":" && lambdas > 0:
			lambdas--
		case t.text == wanted && brackets == 0:
			return i
		}
	}
	return -1
}
