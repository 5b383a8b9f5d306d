package config

import (
	"speyside.dev/speyside/internal/config/twist"
	"speyside.dev/speyside/internal/settings"
)

// readTwist makes settings of a command line of Twisted's; no file counts, as with Twisted itself.
func readTwist(o Options) (*Config, error) {
	parsed, err := twist.Parse(o.Args)
	if err != nil {
		return nil, err
	}
	c := &Config{}
	for _, note := range parsed.Notes {
		c.Notes = append(c.Notes, Note{Text: "flag without effect", Warn: true, Fields: []any{"flag", note.Flag, "why", note.Says}})
	}
	c.warnOfVariables(o.Environ)
	sources := settings.Sources{Flags: parsed.Given, Env: o.Env, Dir: o.Dir, Defaults: parsed.Defaults}
	if err := c.complete(o, &sources); err != nil {
		return c, err
	}
	c.Settings, err = settings.Resolve(sources)
	return c, err
}
