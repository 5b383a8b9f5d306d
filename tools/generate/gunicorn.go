package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"speyside.dev/speyside/internal/config/gunicorn"
)

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
