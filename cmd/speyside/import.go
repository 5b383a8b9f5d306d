package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/pflag"

	"speyside.dev/speyside/internal/config"
	"speyside.dev/speyside/internal/fault"
)

// importCommand writes what another server's configuration says as a speyside.toml.
func importCommand(flags *pflag.FlagSet) action {
	out := flags.StringP("output", "o", "", "write to this file, which must not exist yet, and not to standard output")
	return func(c *call) error {
		if len(c.args) != 1 {
			return fault.New(fault.Usage, "speyside import takes one argument, the file").WithHint("speyside import uwsgi.ini, or speyside import gunicorn.conf.py -o speyside.toml.")
		}
		var text bytes.Buffer
		if err := c.importFile(c.args[0], &text); err != nil {
			return err
		}
		if *out == "" {
			_, err := c.stdout.Write(text.Bytes())
			return err
		}
		return writeNew(*out, &text)
	}
}

// importFile reads the file alone: neither our environment nor gunicorn's counts, which are there as well when the result is used.
func (c *call) importFile(name string, w io.Writer) error {
	flag := "--config"
	switch base, _, _ := strings.Cut(name, ":"); filepath.Ext(base) {
	case ".ini":
		flag = "--ini"
	case ".yaml", ".yml":
		flag = "--yaml"
	case ".json":
		flag = "--json"
	case ".py":
	default:
		return fault.New(fault.Usage, "speyside import reads a .ini, .yaml or .json file of uWSGI's or a .py file of gunicorn's, and was given %s", name)
	}
	quiet := *c
	quiet.env = func(string) string { return "" }
	read, err := quiet.configuration(config.Options{Args: []string{flag, name}, Unnamed: true})
	if err != nil {
		return err
	}
	configured, err := read(context.Background())
	if err != nil {
		return err
	}
	defer configured.Close()
	return configured.Import(w)
}

// writeNew makes a file; one that is there is left as it is.
func writeNew(name string, text io.Reader) error {
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	switch {
	case errors.Is(err, fs.ErrExist):
		return fault.New(fault.Usage, "%s is there already", name).WithHint("name another file with -o, or move that one away.")
	case err != nil:
		return fault.New(fault.ConfigurationUnreadable, "writing %s: %w", name, err).WithHint("name another file with -o.")
	}
	_, err = io.Copy(file, text)
	if err = errors.Join(err, file.Close()); err != nil {
		return fault.New(fault.ConfigurationUnreadable, "writing %s: %w", name, err).WithHint("what has been written of it is of no use.")
	}
	return nil
}
