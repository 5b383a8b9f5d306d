package speyside

import (
	"context"

	"speyside.dev/speyside/internal/settings"
	"speyside.dev/speyside/internal/watch"
)

// watchSources reloads when a source of the application changes, where that is wanted, until ctx ends.
func (r *Server) watchSources(ctx context.Context, a *settings.App) {
	if !a.Reload {
		return
	}
	watcher, err := watch.New(watch.Options{Dirs: append([]string{a.Chdir}, a.PythonPath...), Extra: a.ReloadExtraFiles, Log: r.log,
		Changed: func(path string) {
			r.log.Info("source changed", "path", path)
			r.Reload()
		}})
	if err != nil {
		r.log.Error("sources not watched", "error", err)
		return
	}
	go watcher.Run(ctx)
}
