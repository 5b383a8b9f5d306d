package speyside

import (
	"context"

	"speyside.dev/speyside/internal/settings"
	"speyside.dev/speyside/internal/watch"
)

// watchSources reloads when a source of the application changes, or a file is touched, where that is wanted, until ctx ends.
func (r *Server) watchSources(ctx context.Context, a *settings.App) {
	options := watch.Options{Touched: a.TouchReload, Log: r.log, Changed: func(path string) {
		r.log.Info("source changed", "path", path)
		r.Reload()
	}}
	switch {
	case a.Reload:
		options.Dirs, options.Extra = append([]string{a.Chdir}, a.PythonPath...), a.ReloadExtraFiles
	case len(a.TouchReload) == 0:
		return
	}
	watcher, err := watch.New(options)
	if err != nil {
		r.log.Error("sources not watched", "error", err)
		return
	}
	go watcher.Run(ctx)
}
