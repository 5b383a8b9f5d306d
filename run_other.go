//go:build !linux

package speyside

import (
	"context"

	"speyside.dev/speyside/internal/fault"
	"speyside.dev/speyside/internal/settings"
)

// Run returns the error that says that this system is not supported.
func Run(context.Context, *settings.Settings, <-chan struct{}, func(Started)) error {
	return fault.New(fault.PlatformNotSupported, "")
}
