package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/pelletier/go-toml/v2"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"speyside.dev/speyside/internal/settings"
)

// compiled is the schema that editors get.
func compiled(t *testing.T) *jsonschema.Schema {
	t.Helper()
	text, err := makeSchema("")
	if err != nil {
		t.Fatal(err)
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("speyside.json", document); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile("speyside.json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// valid reports whether an editor would find nothing wrong with the file.
func valid(t *testing.T, schema *jsonschema.Schema, file string) bool {
	t.Helper()
	var document map[string]any
	if err := toml.Unmarshal([]byte(file), &document); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return schema.Validate(document) == nil
}

func TestSchemaTakesEveryExample(t *testing.T) {
	schema := compiled(t)
	for _, s := range settings.Table() {
		if s.NamesFile() {
			continue
		}
		if file := inFile(s); !valid(t, schema, file) {
			t.Errorf("refused:\n%s", file)
		}
	}
}

func TestSchemaRefusesWhatTheServerRefuses(t *testing.T) {
	schema := compiled(t)
	for _, file := range []string{
		"worker = 3", "workers = 0", "workers = \"many\"", "health = \"maybe\"", "header_map = \"keep\"", "umask = 1000", "bind = 8000",
		"[app]\nbind = \":1\"", "[app]\nnothing = 1", "[[app.route]]\ntimeout = 1", "config = \"x.toml\"", "loglevel = \"loud\"",
	} {
		if valid(t, schema, file) {
			t.Errorf("taken: %s", strings.ReplaceAll(file, "\n", " "))
		}
	}
	for _, file := range []string{"workers = \"auto\"", "[app]\nworkers = 2\n[[app.route]]\nprefix = \"/x\"\ntimeout = \"5s\"", "bind = [\":1\", \"unix:x\"]", "timeout = 1.5"} {
		if !valid(t, schema, file) {
			t.Errorf("refused: %s", file)
		}
	}
}
