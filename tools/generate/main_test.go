package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"speyside.dev/speyside/internal/fault"
	"speyside.dev/speyside/internal/settings"
)

// newTree returns a tree with the layout and nothing else.
func newTree(t *testing.T) string {
	root := t.TempDir()
	write(t, root, "internal/wire/layout.txt", smallLayout)
	return root
}

func write(t *testing.T, root, path, text string) {
	t.Helper()
	path = filepath.Join(root, path)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestCheckListsDriftAndWritesNothing(t *testing.T) {
	root := newTree(t)
	complaints, err := run(root, true)
	if err != nil || len(complaints) != len(outputs) {
		t.Fatalf("an empty tree: %v, %v", complaints, err)
	}
	if _, err := os.Stat(filepath.Join(root, "ext")); err == nil {
		t.Error("-check wrote")
	}
	if complaints, err = run(root, false); err != nil || len(complaints) != 0 {
		t.Fatalf("writing: %v, %v", complaints, err)
	}
	if complaints, err = run(root, true); err != nil || len(complaints) != 0 {
		t.Errorf("after writing: %v, %v", complaints, err)
	}
	write(t, root, "ext/layout.h", "/* by hand */\n")
	if complaints, _ = run(root, true); len(complaints) != 1 || !strings.HasPrefix(complaints[0], "ext/layout.h ") {
		t.Errorf("one changed file: %v", complaints)
	}
}

func TestCheckWantsAScriptForEverySetting(t *testing.T) {
	root := newTree(t)
	names := ""
	for _, s := range settings.Table() {
		names += " " + s.Name
	}
	write(t, root, "tests/script/all.txt", "# setting:"+names+"\n")
	if complaints, err := checkSettings(root); err != nil || len(complaints) != 0 {
		t.Errorf("all are named: %v, %v", complaints, err)
	}
	write(t, root, "tests/script/all.txt", "# setting: workers, threads\n# setting: wrokers\n")
	complaints, err := checkSettings(root)
	if err != nil || len(complaints) != len(settings.Table())-2+1 {
		t.Errorf("two are named and one does not exist: %v, %v", complaints, err)
	}
	if !slices.ContainsFunc(complaints, func(c string) bool { return strings.Contains(c, "wrokers, which does not exist") }) {
		t.Errorf("the misspelled one is not told: %v", complaints)
	}
}

func TestReferencesNameEveryEntry(t *testing.T) {
	doc, _ := makeSettingsDoc("")
	for _, s := range settings.Table() {
		if !strings.Contains(string(doc), "### "+s.Name+"\n") {
			t.Errorf("docs/settings.md lacks %s", s.Name)
		}
	}
	errors, _ := makeErrorsDoc("")
	header, _ := makeFaultsC("")
	python, _ := makeFaultsPython("")
	for _, f := range fault.All() {
		name := upperSnake(f.Name)
		if !strings.Contains(string(errors), "### "+f.Code+"\n") || !strings.Contains(string(header), "#define SPY_"+name+" \""+f.Code+"\"") ||
			!strings.Contains(string(python), "\n"+name+": Final = \""+f.Code+"\"") {
			t.Errorf("%s is missing somewhere", f.Code)
		}
	}
}

func TestCheckWantsAScriptForEveryExitCode(t *testing.T) {
	root := newTree(t)
	write(t, root, "tests/script/one.txt", "exits 0 speyside\nexits 1 speyside\nends web 3\nexits 4 x\n# exits 2 is not one\n")
	complaints, err := checkExits(root)
	if err != nil || len(complaints) != 1 || !strings.Contains(complaints[0], "exit code 2 is shown by no script") {
		t.Errorf("one is not shown: %v, %v", complaints, err)
	}
	write(t, root, "tests/script/two.txt", "exits 2 speyside\nends web 99\n")
	if complaints, _ = checkExits(root); len(complaints) != 1 || !strings.Contains(complaints[0], "exit code 99, which is not in the table") {
		t.Errorf("one is not in the table: %v", complaints)
	}
	doc, _ := makeExitsDoc("")
	for _, f := range fault.All() {
		if f.Exit != 0 && !strings.Contains(string(doc), "errors.md#"+strings.ToLower(f.Code)+")") {
			t.Errorf("docs/exit-codes.md lacks %s", f.Code)
		}
	}
}
