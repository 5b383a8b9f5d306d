package fault_test

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"regexp"
	"strings"
	"testing"

	"speyside.dev/speyside/internal/fault"
)

func TestEveryCodeIsUniqueAndExplained(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range fault.All() {
		if !regexp.MustCompile(`^SPY\d{4}$`).MatchString(f.Code) || seen[f.Code] || seen[f.Name] {
			t.Errorf("%s %s: the code or the name is malformed or taken", f.Code, f.Name)
		}
		seen[f.Code], seen[f.Name] = true, true
		if f.Text == "" || f.About == "" || f.Whose == "" {
			t.Errorf("%s lacks a text, an explanation or a culprit", f.Code)
		}
		if strings.HasSuffix(f.Text, ".") || f.Hint != "" && !strings.HasSuffix(f.Hint, ".") {
			t.Errorf("%s: a text is a clause, a hint a sentence", f.Code)
		}
		if f.Whose == fault.Operator && f.Hint == "" {
			t.Errorf("%s leaves the operator without a hint", f.Code)
		}
		if outcomes := btoi(f.Exit != 0) + btoi(f.Status != 0) + btoi(f.Warning); outcomes != 1 {
			t.Errorf("%s has exit %d and status %d: one of the two", f.Code, f.Exit, f.Status)
		}
	}
	if len(seen) == 0 {
		t.Fatal("the table is empty")
	}
}

func TestEveryExitCodeIsInItsTable(t *testing.T) {
	for _, f := range fault.All() {
		found := false
		for _, exit := range fault.Exits() {
			found = found || exit.Code == f.Exit
		}
		if !found {
			t.Errorf("%s exits with %d, which the table does not have", f.Code, f.Exit)
		}
	}
}

func TestNamesAreThoseOfTheGoVariables(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "table.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	variables := map[string]bool{}
	ast.Inspect(file, func(n ast.Node) bool {
		if spec, ok := n.(*ast.ValueSpec); ok {
			variables[spec.Names[0].Name] = true
		}
		return true
	})
	for _, f := range fault.All() {
		if !variables[f.Name] {
			t.Errorf("%s is called %s, and no variable is", f.Code, f.Name)
		}
	}
}

func TestErrorKeepsFaultCauseAndHint(t *testing.T) {
	err := fmt.Errorf("starting: %w", fault.New(fault.AddressInUse, "listening on %s: %w", "127.0.0.1:8000", fs.ErrExist))
	if want := "starting: listening on 127.0.0.1:8000: file already exists"; err.Error() != want {
		t.Errorf("text %q, want %q", err, want)
	}
	if !errors.Is(err, fs.ErrExist) || fault.Of(err) != fault.AddressInUse {
		t.Error("the cause or the fault was lost")
	}
	if !errors.Is(err, fault.New(fault.AddressInUse, "")) || errors.Is(err, fault.New(fault.Usage, "")) {
		t.Error("errors.Is does not compare faults")
	}
	if fault.Hint(err) != fault.AddressInUse.Hint || fault.Hint(fault.New(fault.Usage, "x").WithHint("do %s", "y")) != "do y" {
		t.Error("the hint is not the error's own, else the fault's")
	}
	if got := fault.New(fault.Usage, "").Error(); got != fault.Usage.Text {
		t.Errorf("an error without detail says %q", got)
	}
}

func TestExitCodesAreGunicorns(t *testing.T) {
	for _, c := range []struct {
		err  error
		want int
	}{
		{nil, 0}, {errors.New("plain"), 1}, {fault.New(fault.Usage, ""), 2},
		{fault.New(fault.ImportFailed, ""), 3}, {fault.New(fault.CallableNotFound, ""), 4},
	} {
		if got := fault.ExitCode(c.err); got != c.want {
			t.Errorf("%v exits with %d, want %d", c.err, got, c.want)
		}
	}
}

func TestUnknownCodeOfAWorkerIsNoFault(t *testing.T) {
	if fault.ByCode("SPY0101") != fault.ImportFailed || fault.ByCode("SPY9999") != nil || fault.ByCode("") != nil {
		t.Error("ByCode found the wrong entry")
	}
}

func btoi(yes bool) int {
	if yes {
		return 1
	}
	return 0
}
