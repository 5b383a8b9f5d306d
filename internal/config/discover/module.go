package discover

import (
	"slices"
	"strings"
)

// module is what a file binds when it is imported, and what else its text says.
type module struct {
	names    map[string]binding
	stars    []string        // the modules of `from … import *`
	imports  map[string]bool // every module that is imported anywhere, with its dots
	settings []string        // what DJANGO_SETTINGS_MODULE is set to, anywhere
	texts    map[string]bool // every string of it
	serves   bool            // it starts a server when it is imported
}

// binding is what a name stands for at the end of the file.
type binding struct {
	what     what
	value    string // the text; what is called, or what the name is of, with its dots
	several  bool   // it depends on something
	fewest   int    // arguments of a function
	most     int    // -1: any number
	relative bool   // the import counts from the package
}

type what byte

const (
	something what = iota
	aText          // a string
	aCall          // of what value names
	aFunction
	aClass
	imported // value is the module and the name in it
	anAlias  // value is another name
	nothing  // None, or a number
)

// block is a compound statement around others.
type block struct {
	depth  int
	never  bool // it is not executed by an import
	inner  bool // it is a function or a class
	choice bool // it may be executed or not
	isIf   bool
}

// reader makes a module of statements.
type reader struct {
	module *module
	blocks []block
	lastIf block // the `if` that an `else` belongs to
}

// read reads the text of a file.
func read(source string) *module {
	r := reader{module: &module{names: map[string]binding{}, imports: map[string]bool{}, texts: map[string]bool{}}}
	for _, s := range statements(source) {
		r.statement(s)
	}
	return r.module
}

func (r *reader) statement(s statement) {
	for len(r.blocks) > 0 && r.blocks[len(r.blocks)-1].depth >= s.depth {
		if last := r.blocks[len(r.blocks)-1]; last.isIf {
			r.lastIf = last
		}
		r.blocks = r.blocks[:len(r.blocks)-1]
	}
	r.everywhere(s.tokens)
	outer := r.around()
	if s.head {
		b := r.head(s)
		if !outer.inner && !outer.never {
			r.bindHead(s.tokens, outer.choice)
		}
		r.blocks = append(r.blocks, b)
		return
	}
	if !outer.inner && !outer.never {
		r.simple(s.tokens, outer.choice)
	}
}

// around is what the blocks around say together.
func (r *reader) around() (all block) {
	for _, b := range r.blocks {
		all.never = all.never || b.never
		all.inner = all.inner || b.inner
		all.choice = all.choice || b.choice
	}
	return all
}

// head is the block that a compound statement begins.
func (r *reader) head(s statement) block {
	b := block{depth: s.depth}
	switch s.tokens[0].text {
	case "def", "class":
		b.inner = true
	case "async":
		b.inner = len(s.tokens) > 1 && s.tokens[1].text == "def"
	case "if", "elif":
		b.isIf, b.choice = true, true
		b.never = isNever(s.tokens[1:])
	case "else":
		// What is beside `if TYPE_CHECKING` is always executed.
		b.choice = !(r.lastIf.depth == s.depth && r.lastIf.never)
	case "try", "with", "finally":
	default:
		b.choice = true
	}
	return b
}

// isNever recognises conditions that do not hold when a module is imported.
func isNever(condition []token) bool {
	words := make([]string, 0, len(condition))
	for _, t := range condition {
		words = append(words, t.text)
	}
	switch said := strings.Trim(strings.Join(words, " "), "() "); said {
	case "TYPE_CHECKING", "typing . TYPE_CHECKING", "t . TYPE_CHECKING", "False", "0", "__name__ == __main__", "__main__ == __name__":
		return true
	default:
		return strings.HasPrefix(said, "__name__ == __main__ and ")
	}
}

// everywhere notes what counts wherever it stands.
func (r *reader) everywhere(tokens []token) {
	for i, t := range tokens {
		if t.kind != text {
			continue
		}
		r.module.texts[t.text] = true
		if t.text != "DJANGO_SETTINGS_MODULE" || i == 0 || i+2 >= len(tokens) {
			continue
		}
		rest := tokens[i+1:]
		if rest[0].text == "]" { // os.environ["…"] = "…"
			rest = rest[1:]
		}
		if len(rest) > 1 && (rest[0].text == "," || rest[0].text == "=") && rest[1].kind == text {
			r.module.settings = append(r.module.settings, rest[1].text)
		}
	}
	switch {
	case tokens[0].text == "import" && tokens[0].kind == name:
		for _, one := range cut(tokens[1:], ",") {
			path, _ := dotted(one)
			r.module.imports[path] = true
		}
	case tokens[0].text == "from" && tokens[0].kind == name:
		path, rest := dotted(tokens[1:])
		r.module.imports[path] = true
		for _, one := range cut(importedNames(rest), ",") {
			if len(one) > 0 {
				r.module.imports[strings.TrimSuffix(path, ".")+"."+one[0].text] = true
			}
		}
	}
}

// bindHead binds what a function or class definition binds, or `with … as NAME`.
func (r *reader) bindHead(tokens []token, choice bool) {
	if tokens[0].text == "async" {
		tokens = tokens[1:]
	}
	switch {
	case len(tokens) < 2:
	case tokens[0].text == "def":
		fewest, most := parameters(tokens[2:])
		r.bind(tokens[1].text, binding{what: aFunction, fewest: fewest, most: most}, choice)
	case tokens[0].text == "class":
		r.bind(tokens[1].text, binding{what: aClass}, choice)
	case tokens[0].text == "with":
		for i, t := range tokens {
			if t == (token{name, "as"}) && i+1 < len(tokens) {
				r.bind(tokens[i+1].text, binding{}, choice)
			}
		}
	}
}

// simple binds what a simple statement binds.
func (r *reader) simple(tokens []token, choice bool) {
	first := tokens[0]
	if first.kind == name {
		switch first.text {
		case "import":
			r.importAll(tokens[1:], choice)
			return
		case "from":
			r.importFrom(tokens[1:], choice)
			return
		case "del":
			for _, one := range cut(tokens[1:], ",") {
				if len(one) == 1 {
					delete(r.module.names, one[0].text)
				}
			}
			return
		}
	}
	if callee, call := called(tokens); call {
		r.module.serves = r.module.serves || r.isServer(callee)
	}
	parts := cut(tokens, "=")
	if len(parts) < 2 {
		return
	}
	value := evaluate(parts[len(parts)-1])
	for _, target := range parts[:len(parts)-1] {
		if colon := outside(target, ":"); colon > 0 { // app: Flask = …
			target = target[:colon]
		}
		for len(target) > 1 && (target[0].text == "(" || target[0].text == "[") && closing(target) == len(target)-1 {
			target = target[1 : len(target)-1]
		}
		targets := cut(target, ",")
		for _, one := range targets {
			switch {
			case len(one) != 1 || one[0].kind != name:
			case len(targets) > 1:
				r.bind(one[0].text, binding{}, choice)
			default:
				r.bind(one[0].text, value, choice)
			}
		}
	}
}

// isServer reports that to call this is to serve until a signal comes: app.run(), bottle.run(), waitress.serve().
func (r *reader) isServer(callee string) bool {
	root, rest, dots := strings.Cut(callee, ".")
	of := r.module.names[root]
	switch {
	case of.what == imported && dots:
		callee = of.value + "." + rest
	case of.what == imported:
		callee = of.value
	case dots:
		return rest == "run" || rest == "serve_forever"
	}
	return callee == "bottle.run" || callee == "waitress.serve" || callee == "werkzeug.serving.run_simple"
}

func (r *reader) importAll(tokens []token, choice bool) {
	for _, one := range cut(tokens, ",") {
		path, rest := dotted(one)
		if len(rest) == 2 {
			r.bind(rest[1].text, binding{what: imported, value: path}, choice)
		} else if root, _, _ := strings.Cut(path, "."); root != "" {
			r.bind(root, binding{what: imported, value: root}, choice)
		}
	}
}

func (r *reader) importFrom(tokens []token, choice bool) {
	path, rest := dotted(tokens)
	for _, one := range cut(importedNames(rest), ",") {
		switch {
		case len(one) == 0:
		case one[0].text == "*":
			r.module.stars = append(r.module.stars, path)
		default:
			own := one[len(one)-1].text
			r.bind(own, binding{what: imported, value: strings.TrimSuffix(path, ".") + "." + one[0].text, relative: strings.HasPrefix(path, ".")}, choice)
		}
	}
}

// importedNames is what stands between `import` and the end, without its parentheses.
func importedNames(tokens []token) []token {
	if len(tokens) == 0 {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(tokens[1:]), func(t token) bool { return t.text == "(" || t.text == ")" })
}

func (r *reader) bind(to string, b binding, choice bool) {
	if before, there := r.module.names[to]; choice && there && (before.what != b.what || before.value != b.value) {
		b.several = true
		if before.what == aCall || before.what == aFunction { // the better known of the two
			before.several = true
			b = before
		}
	}
	r.module.names[to] = b
}

// evaluate says what an expression is.
func evaluate(tokens []token) binding {
	for len(tokens) > 1 && tokens[0].text == "(" && tokens[0].kind == mark && closing(tokens) == len(tokens)-1 {
		tokens = tokens[1 : len(tokens)-1]
	}
	if len(tokens) == 0 {
		return binding{}
	}
	if allTexts(tokens) {
		var joined strings.Builder
		for _, t := range tokens {
			joined.WriteString(t.text)
		}
		return binding{what: aText, value: joined.String()}
	}
	if callee, call := called(tokens); call {
		return binding{what: aCall, value: callee}
	}
	path, rest := dotted(tokens)
	switch {
	case len(rest) > 0 || path == "":
		if len(tokens) == 1 && tokens[0].kind == other {
			return binding{what: nothing}
		}
		return binding{}
	case path == "None" || path == "True" || path == "False":
		return binding{what: nothing}
	}
	return binding{what: anAlias, value: path}
}

func allTexts(tokens []token) bool {
	return !slices.ContainsFunc(tokens, func(t token) bool { return t.kind != text })
}

// called is what the whole expression calls.
func called(tokens []token) (string, bool) {
	path, rest := dotted(tokens)
	return path, path != "" && len(rest) > 1 && rest[0] == token{mark, "("} && closing(rest) == len(rest)-1
}

// closing is the index of the bracket that closes the first.
func closing(tokens []token) int {
	open := 0
	for i, t := range tokens {
		if t.kind != mark {
			continue
		}
		switch {
		case strings.Contains("([{", t.text):
			open++
		case strings.Contains(")]}", t.text):
			if open--; open == 0 {
				return i
			}
		}
	}
	return -1
}

// dotted reads a name with its dots, and those before it.
func dotted(tokens []token) (path string, rest []token) {
	afterName := false
	for i, t := range tokens {
		dots := t.kind == mark && strings.Trim(t.text, ".") == ""
		switch {
		case dots && (afterName || path == "" || strings.HasSuffix(path, ".")):
			afterName = false
		case t.kind == name && !afterName && t.text != "import":
			afterName = true
		default:
			return path, tokens[i:]
		}
		path += t.text
	}
	return path, nil
}

// cut cuts at the marks that are in no bracket.
func cut(tokens []token, at string) (parts [][]token) {
	for {
		end := outside(tokens, at)
		if end < 0 {
			return append(parts, tokens)
		}
		parts = append(parts, tokens[:end])
		tokens = tokens[end+1:]
	}
}

// parameters counts those of a definition that must and can be given by position; -1: any number.
func parameters(tokens []token) (fewest, most int) {
	open := slices.Index(tokens, token{mark, "("})
	if open < 0 {
		return 0, -1
	}
	end := closing(tokens[open:])
	if end < 2 {
		return 0, 0
	}
	keywordsOnly, anyNumber := false, false
	for _, one := range cut(tokens[open+1:open+end], ",") {
		switch {
		case len(one) == 0 || one[0].text == "/":
		case one[0].text == "**": // any keywords
		case one[0].text == "*":
			keywordsOnly = true
			anyNumber = anyNumber || len(one) > 1
		default:
			if outside(one, "=") < 0 {
				fewest++
			}
			if !keywordsOnly {
				most++
			}
		}
	}
	if anyNumber {
		most = -1
	}
	return fewest, most
}
