package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"speyside.dev/speyside"
	"speyside.dev/speyside/internal/config"
	"speyside.dev/speyside/internal/fault"
	"speyside.dev/speyside/internal/settings"
)

// serveCommand serves the application that the arguments name, or checks or shows its configuration.
func serveCommand(c *call) error { return c.serve(config.Options{Args: c.args}) }

// gunicornCommand does what gunicorn would with the arguments.
func gunicornCommand(c *call) error {
	err := c.serve(config.Options{Args: c.args, Gunicorn: true})
	if errors.Is(err, settings.ErrHelp) {
		return c.help()
	}
	return err
}

// twistCommand does what Twisted's twist would with the arguments.
func twistCommand(c *call) error {
	err := c.serve(config.Options{Args: c.args, Twist: true})
	if errors.Is(err, settings.ErrHelp) {
		return c.help()
	}
	return err
}

func (c *call) serve(o config.Options) error {
	read, err := c.configuration(o)
	if err != nil {
		return err
	}
	configured, err := unlessStopped(read)
	switch {
	case err != nil, configured == nil:
		return err
	case configured.Print:
		return c.show(configured)
	case configured.Check:
		return c.checked(configured)
	}
	if c.daemon == nil {
		if left, err := leave(configured, c.env, c.stderr); left || err != nil {
			return err
		}
	}
	return serve(configured, read, c.daemon)
}

// configCommand shows the configuration that serve would have.
func configCommand(c *call) error {
	read, err := c.configuration(config.Options{Args: c.args})
	if err != nil {
		return err
	}
	configured, err := unlessStopped(read)
	if err != nil || configured == nil {
		return err
	}
	return c.show(configured)
}

// unlessStopped reads the configuration, and returns nothing when a signal comes meanwhile: one that is written in Python may take its time, and ends
// with the program.
func unlessStopped(read func(context.Context) (*config.Config, error)) (*config.Config, error) {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGQUIT, syscall.SIGHUP)
	defer stop()
	configured, err := read(ctx)
	if ctx.Err() != nil {
		return nil, configured.Close()
	}
	return configured, err
}

// configuration returns what reads the configuration, at the start and at each reload. The directory is the one that the program was started in, by
// its name: after a deployment that moves a symbolic link another one may be there.
func (c *call) configuration(o config.Options) (func(context.Context) (*config.Config, error), error) {
	dir, err := filepath.Abs(".")
	if err != nil {
		return nil, fault.New(fault.ConfigurationUnreadable, "finding the current directory: %w", err)
	}
	o.Env, o.Environ, o.Dir, o.Execute = c.env, os.Environ(), dir, speyside.Execute
	return func(ctx context.Context) (*config.Config, error) { return config.Read(ctx, o) }, nil
}

// show prints the configuration; what has executed it is not needed any more.
func (c *call) show(configured *config.Config) error {
	defer configured.Close()
	if configured.File != "" {
		fmt.Fprintf(c.stdout, "# %s\n", configured.File)
	}
	return configured.Settings.Print(c.stdout)
}

func (c *call) checked(configured *config.Config) error {
	defer configured.Close()
	where := "the command line and the environment"
	if configured.File != "" {
		where += ", and " + configured.File
	}
	if err := speyside.Check(configured); err != nil {
		return err
	}
	fmt.Fprintf(c.stdout, "the configuration is right, and %s loads: %s\n", configured.Settings.Apps[0].WSGIApp, where)
	return nil
}

// serve runs the server until a signal ends it. A daemon lets its caller go once it serves.
func serve(c *config.Config, reread func(context.Context) (*config.Config, error), daemon *detached) error {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGTTIN, syscall.SIGTTOU,
		syscall.SIGUSR1, syscall.SIGUSR2)
	defer signal.Stop(signals)
	// Caught rather than ignored, so that the application's own programs have the default again: whoever read our log may go.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	if c.Found != nil {
		fmt.Fprintf(os.Stderr, "speyside: found %s (%s)\n", printable(c.Found.Named()), printable(c.Found.Why))
	}
	server, err := speyside.New(c, reread, func(started speyside.Started) {
		printBanner(os.Stderr, inkFor(os.Stderr, os.Getenv), started, daemon != nil)
		if daemon != nil {
			daemon.serving()
		}
	})
	if err != nil {
		return err
	}
	go relay(ctx, signals, server, stop)
	return server.Run(ctx)
}
