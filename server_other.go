//go:build !linux

package speyside

import (
	"context"
	"os"

	"speyside.dev/speyside/internal/config"
	"speyside.dev/speyside/internal/fault"
	"speyside.dev/speyside/internal/settings"
)

// Server is a server on a system that can run one.
type Server struct{}

// New returns the error that says that this system is not supported.
func New(*config.Config, func(context.Context) (*config.Config, error), func(Started)) (*Server, error) {
	return nil, fault.New(fault.PlatformNotSupported, "")
}

// Execute returns the error that says that this system is not supported.
func Execute(context.Context, *config.Execution) (*config.Executed, error) {
	return nil, fault.New(fault.PlatformNotSupported, "")
}

// Run returns the error that says that this system is not supported.
func (r *Server) Run(context.Context) error { return fault.New(fault.PlatformNotSupported, "") }

// Drain does nothing.
func (r *Server) Drain() {}

// ScaleBy does nothing.
func (r *Server) ScaleBy(int) {}

// Upgrade does nothing.
func (r *Server) Upgrade() {}

// ReopenLogs does nothing.
func (r *Server) ReopenLogs() {}

// Reload does nothing.
func (r *Server) Reload() {}

// Interrupt does nothing.
func (r *Server) Interrupt() {}

// TakingOver reports that this process takes over from another one.
func TakingOver() bool { return false }

// NewForCaller returns the error that says that this system is not supported.
func NewForCaller(*settings.Settings, *os.File) (*Server, error) {
	return nil, fault.New(fault.PlatformNotSupported, "")
}

// RefuseCaller tells nobody.
func RefuseCaller(*os.File, error) bool { return false }
