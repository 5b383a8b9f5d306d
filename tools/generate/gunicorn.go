package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"speyside.dev/speyside/internal/config/gunicorn"
)

// makeGunicornDoc writes the table of gunicorn's settings into a page that is otherwise written by hand.
func makeGunicornDoc(path string) func(root string) ([]byte, error) {
	return intoPage(path, "<!-- settings -->\n", "<!-- end of settings -->\n", gunicornTable)
}

func gunicornTable() string {
	var b strings.Builder
	b.WriteString("Generated from `internal/config/gunicorn/rows.go`.\n")
	section := ""
	for _, row := range gunicorn.Table() {
		if row.Section != section {
			section = row.Section
			fmt.Fprintf(&b, "\n### %s\n\n| setting | flag | gunicorn's default | here | |\n|---|---|---|---|---|\n", section)
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", row.Name, inCode(row.Flags), gunicornDefault(&row), becomes(&row), row.Why)
	}
	return b.String()
}

func inCode(words []string) string {
	if len(words) == 0 {
		return ""
	}
	return "`" + strings.Join(words, "` `") + "`"
}

func gunicornDefault(row *gunicorn.Row) string {
	switch {
	case row.DefaultText != "":
		return row.DefaultText
	case row.Default == "" || row.Kind == gunicorn.Function:
		return ""
	}
	return "`" + strings.ReplaceAll(row.Default, "|", "\\|") + "`"
}

// becomes says what becomes of a setting, with where to read on.
func becomes(row *gunicorn.Row) string {
	text := string(row.Treatment)
	if row.Treatment == gunicorn.Refused {
		text = "**refused**"
	}
	for _, ours := range row.Ours {
		text += fmt.Sprintf(" [%s](settings.md#%s)", ours, ours)
	}
	return text
}

// makeGunicornJSON writes the facts of the table for the test that compares them with gunicorn itself.
func makeGunicornJSON(string) ([]byte, error) {
	type fact struct {
		Name    string          `json:"name"`
		Section string          `json:"section"`
		Flags   []string        `json:"flags"`
		Action  gunicorn.Action `json:"action"`
		Kind    gunicorn.Kind   `json:"kind"`
		Default json.RawMessage `json:"default"`
		Varies  bool            `json:"varies"`
	}
	var lines []string
	for _, row := range gunicorn.Table() {
		byDefault := row.Default
		if byDefault == "" {
			byDefault = "null"
		}
		line, err := json.Marshal(fact{row.Name, row.Section, append([]string{}, row.Flags...), row.Action, row.Kind, json.RawMessage(byDefault), row.DefaultText != ""})
		if err != nil {
			return nil, fmt.Errorf("the row of %s: %w", row.Name, err)
		}
		lines = append(lines, string(line))
	}
	return []byte("[\n" + strings.Join(lines, ",\n") + "\n]\n"), nil
}
