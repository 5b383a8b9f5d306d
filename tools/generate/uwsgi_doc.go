package main

import (
	"fmt"
	"slices"
	"strings"

	"speyside.dev/speyside/internal/config/uwsgi"
)

// The lines between which docs/migrating-uwsgi.md has the table of options.
const (
	optionsBegin = "<!-- options -->\n"
	optionsEnd   = "<!-- end of options -->\n"
)

// makeUWSGIDoc writes what each option of uWSGI is here into the page about it.
func makeUWSGIDoc(path string) func(root string) ([]byte, error) {
	return intoPage(path, optionsBegin, optionsEnd, uwsgiTable)
}

func uwsgiTable() string {
	var b strings.Builder
	b.WriteString("Generated from `internal/config/uwsgi/table.go`.\n\n| option | here | |\n|---|---|---|\n")
	for _, row := range uwsgi.Rows() {
		here := string(row.Treatment)
		if row.Setting != "" {
			here = "`" + strings.ReplaceAll(row.Setting, ",", "`, `") + "`"
		}
		fmt.Fprintf(&b, "| %s | %s | %s |\n", "`"+strings.Join(row.Names, "` `")+"`", here, row.Says)
	}
	return b.String()
}

// uwsgiNames are the options of uWSGI that a setting is the equivalent of.
func uwsgiNames(setting string) string {
	var all []string
	for _, row := range uwsgi.Rows() {
		if slices.Contains(strings.Split(row.Setting, ","), setting) {
			all = append(all, "`"+row.Names[0]+"`")
		}
	}
	return strings.Join(all, ", ")
}
