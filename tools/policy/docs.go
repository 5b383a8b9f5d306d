package policy

import (
	"fmt"
	"go/ast"
	"go/token"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
)

// Documented complains about exported Go names without a comment, packages without one, and packages whose name says
// nothing.
func Documented(sources []Source) []string {
	var complaints []string
	packages := map[string]bool{} // directory → has a package comment
	for _, s := range sources {
		if s.Go == nil || s.Test() {
			continue
		}
		dir := path.Dir(s.Path)
		packages[dir] = packages[dir] || s.Go.Doc != nil
		if name := s.Go.Name.Name; slices.Contains([]string{"util", "utils", "helper", "helpers", "common", "misc"}, name) {
			complaints = append(complaints, fmt.Sprintf("%s: package %s says nothing: name it after what it is for", s.Path, name))
		}
		for _, name := range undocumented(s) {
			complaints = append(complaints, fmt.Sprintf("%s: %s has no doc comment", s.Path, name))
		}
	}
	for dir, documented := range packages {
		if !documented {
			complaints = append(complaints, fmt.Sprintf("%s: the package has no doc comment", dir))
		}
	}
	slices.Sort(complaints)
	return complaints
}

// wellKnown are methods that everybody knows what they do.
var wellKnown = map[string]bool{"Error": true, "String": true, "Unwrap": true}

func undocumented(s Source) []string {
	var names []string
	for _, d := range s.Go.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			known := d.Recv != nil && wellKnown[d.Name.Name]
			if d.Doc == nil && !known && d.Name.IsExported() && ast.IsExported(receiver(d, d.Name.Name)) {
				names = append(names, d.Name.Name)
			}
		case *ast.GenDecl:
			names = append(names, undocumentedSpecs(d)...)
		}
	}
	return names
}

// receiver returns the name of the type that d is a method of, or none if it is no method.
func receiver(d *ast.FuncDecl, none string) string {
	if d.Recv == nil {
		return none
	}
	kind := d.Recv.List[0].Type
	for {
		switch k := kind.(type) {
		case *ast.StarExpr:
			kind = k.X
		case *ast.IndexExpr:
			kind = k.X
		case *ast.IndexListExpr:
			kind = k.X
		case *ast.Ident:
			return k.Name
		default:
			return none
		}
	}
}

func undocumentedSpecs(d *ast.GenDecl) []string {
	var names []string
	for _, spec := range d.Specs {
		switch spec := spec.(type) {
		case *ast.TypeSpec:
			if spec.Name.IsExported() && d.Doc == nil && spec.Doc == nil {
				names = append(names, spec.Name.Name)
			}
		case *ast.ValueSpec:
			if spec.Names[0].IsExported() && d.Doc == nil && spec.Doc == nil && spec.Comment == nil {
				names = append(names, spec.Names[0].Name)
			}
		}
	}
	return names
}

// named is what stands in backticks in a page.
var named = regexp.MustCompile("`([^`\n]+)`")

// pathNamed is what counts as a path of the tree: directories with slashes between, and perhaps a symbol.
var pathNamed = regexp.MustCompile(`^([A-Za-z0-9_.][\w.-]*(?:/[\w.-]*)+)(?::([A-Za-z_][\w.]*))?$`)

// Links complains about the paths that a page names in backticks, as `path` or `path:Symbol`, and that do not exist. It
// also returns how many there are.
func Links(root fs.FS, page string) (complaints []string, count int) {
	for _, match := range named.FindAllStringSubmatch(page, -1) {
		link := pathNamed.FindStringSubmatch(match[1])
		if link == nil {
			continue
		}
		count++
		target, symbol := strings.TrimSuffix(link[1], "/"), link[2]
		if _, err := fs.Stat(root, target); err != nil {
			complaints = append(complaints, target+" does not exist")
		} else if symbol != "" && !hasSymbol(root, target, symbol) {
			complaints = append(complaints, target+" has no "+symbol)
		}
	}
	return complaints, count
}

// hasSymbol reports whether a file, or a file of a directory, declares symbol. In Go it may be Type.Method; in other languages
// the word must be there.
func hasSymbol(root fs.FS, target, symbol string) bool {
	files := []string{target}
	if info, err := fs.Stat(root, target); err == nil && info.IsDir() {
		files, _ = fs.Glob(root, target+"/*")
	}
	word := regexp.MustCompile(`\b` + regexp.QuoteMeta(symbol) + `\b`)
	for _, name := range files {
		text, err := fs.ReadFile(root, name)
		if err != nil {
			continue
		}
		source, err := newSource(name, string(text))
		if err != nil {
			continue
		}
		if source.Go != nil && declares(source.Go, symbol) || source.Go == nil && word.MatchString(source.Text) {
			return true
		}
	}
	return false
}

func declares(file *ast.File, symbol string) bool {
	for _, d := range file.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if symbol == d.Name.Name || symbol == receiver(d, "")+"."+d.Name.Name {
				return true
			}
		case *ast.GenDecl:
			if d.Tok != token.IMPORT && declaresSpec(d, symbol) {
				return true
			}
		}
	}
	return false
}

func declaresSpec(d *ast.GenDecl, symbol string) bool {
	for _, spec := range d.Specs {
		switch spec := spec.(type) {
		case *ast.TypeSpec:
			if spec.Name.Name == symbol {
				return true
			}
		case *ast.ValueSpec:
			if slices.ContainsFunc(spec.Names, func(name *ast.Ident) bool { return name.Name == symbol }) {
				return true
			}
		}
	}
	return false
}
