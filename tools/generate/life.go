package main

import (
	"fmt"
	"strings"

	"speyside.dev/speyside/internal/arbiter"
)

// makeLifeDoc writes the states of a worker and of a slot into a page that is otherwise written by hand.
func makeLifeDoc(path string) func(root string) ([]byte, error) {
	return intoPage(path, "<!-- states -->\n", "<!-- end of states -->\n", func() string {
		return lifeTable() + lifePicture() + "\nA slot, which holds one request, goes through these states (`internal/wire/moves.go`):\n" + movesPicture()
	})
}

func lifeTable() string {
	var b strings.Builder
	b.WriteString("Generated from `internal/arbiter/state.go`.\n\n| step | from → to | when |\n|---|---|---|\n")
	for _, s := range arbiter.Steps() {
		from := make([]string, 0, len(s.From))
		for _, state := range s.From {
			from = append(from, string(state))
		}
		fmt.Fprintf(&b, "| %s | %s → %s | %s |\n", s.Name, strings.Join(from, ", "), s.To, s.When)
	}
	return b.String()
}

// lifePicture is the same as a diagram.
func lifePicture() string {
	var b strings.Builder
	b.WriteString("\n```mermaid\nstateDiagram-v2\n    [*] --> starting: SpawnWorker\n")
	for _, s := range arbiter.Steps() {
		for _, from := range s.From {
			fmt.Fprintf(&b, "    %s --> %s: %s\n", from, s.To, s.Name)
		}
	}
	b.WriteString("    gone --> [*]\n```\n")
	return b.String()
}
