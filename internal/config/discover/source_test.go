package discover

import (
	"encoding/json"
	"os"
	"os/exec"
	"slices"
	"testing"
)

// bound prints, for files of Python's own library, what their text binds when it is imported, as Python reads it.
const bound = `
import ast, glob, json, os, sysconfig

def names(body):
    for one in body:
        if isinstance(one, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield one.name
        elif isinstance(one, (ast.Import, ast.ImportFrom)):
            for alias in one.names:
                if alias.name != "*":
                    yield alias.asname or (alias.name.split(".")[0] if isinstance(one, ast.Import) else alias.name)
        elif isinstance(one, ast.Assign) or isinstance(one, ast.AnnAssign) and one.value:
            for target in one.targets if isinstance(one, ast.Assign) else [one.target]:
                for each in target.elts if isinstance(target, (ast.Tuple, ast.List)) else [target]:
                    if isinstance(each, ast.Name):
                        yield each.id
        elif isinstance(one, (ast.If, ast.Try, ast.With, ast.For, ast.While, ast.AsyncWith, getattr(ast, "TryStar", ast.Try))):
            test = ast.unparse(one.test) if isinstance(one, ast.If) else ""
            if isinstance(one, ast.With):
                yield from (i.optional_vars.id for i in one.items if isinstance(i.optional_vars, ast.Name))
            if test not in ("__name__ == '__main__'", "TYPE_CHECKING", "False", "0"):
                yield from names(one.body)
            for rest in ("orelse", "finalbody"):
                yield from names(getattr(one, rest, []))
            for handler in getattr(one, "handlers", []):
                yield from names(handler.body)

def deleted(body):  # by statements that an import executes
    for one in body:
        if isinstance(one, ast.Delete):
            yield from (target.id for target in one.targets if isinstance(target, ast.Name))
        elif not isinstance(one, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            for rest in ("body", "orelse", "finalbody"):
                yield from deleted(getattr(one, rest, []))

told = {}
library = sysconfig.get_path("stdlib")
for path in sorted(glob.glob(library + "/[a-h]*.py") + glob.glob(library + "/[a-h]*/__init__.py")):
    with open(path, encoding="utf-8", errors="surrogateescape") as file:
        source = file.read()
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        continue
    told[path] = sorted(set(names(tree.body)) - set(deleted(tree.body)))
print(json.dumps(told))
`

// TestNamesAreThoseThatPythonReads compares with Python's own reader, on its own library.
func TestNamesAreThoseThatPythonReads(t *testing.T) {
	printed, err := exec.Command("python3", "-c", bound).Output()
	if err != nil {
		t.Fatal(err)
	}
	var told map[string][]string
	if err := json.Unmarshal(printed, &told); err != nil || len(told) < 60 {
		t.Fatalf("Python told of %d files: %v", len(told), err)
	}
	for path, want := range told {
		m := read(readLibrary(t, path))
		for _, name := range want {
			if _, there := m.names[name]; !there {
				t.Errorf("%s: %s is not found", path, name)
			}
		}
		for name := range m.names {
			if !slices.Contains(want, name) {
				t.Errorf("%s: %s is found, and is not there", path, name)
			}
		}
	}
}

func readLibrary(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func FuzzSourceEndsAndKeepsItsHead(f *testing.F) {
	f.Add("app = f\"{'\"")
	f.Add("if x: y = '''\n\\")
	f.Add("\tmatch x:\n  case [a, *_]: b = ((")
	f.Fuzz(func(t *testing.T, source string) {
		if m := read("known = 1\n" + source); m.names == nil {
			t.Error("nothing was read")
		}
	})
}
