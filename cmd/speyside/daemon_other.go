//go:build !linux

package main

import (
	"io"

	"speyside.dev/speyside/internal/config"
)

// detached is the daemon's side.
type detached struct{}

func isDetached() *detached { return nil }

func (d *detached) serving() {}

// exited is the end of a daemon that never served.
type exited int

func (e exited) Error() string { return "the daemon ended" }

func leave(*config.Config, func(string) string, io.Writer) (bool, error) { return false, nil }
