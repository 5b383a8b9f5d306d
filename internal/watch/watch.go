// Package watch tells when a source file of an application has changed, so that it can be loaded again while it is being written. Callers
// need New and Watcher.Run.
//
// It looks at names and never into files. What it does not watch is named in the log: a directory that cannot be read, or more directories than
// mostDirectories.
package watch

import (
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"
)

const (
	// quiet is how long nothing must change before a change is told: an editor, or git, writes more than one file.
	quiet = 100 * time.Millisecond
	// atMost is how long a change that goes on is kept back.
	atMost = time.Second
	// mostDirectories bounds the watches, of which a user has so many (fs.inotify.max_user_watches).
	mostDirectories = 4096
)

// Options say what to watch.
type Options struct {
	Dirs    []string          // whose Python files count, with those of the directories in them
	Extra   []string          // absolute paths or patterns of further files, as in filepath.Match
	Touched []string          // absolute paths of files for which a new time is a change, too
	Changed func(path string) // called for the first file of each change, on the goroutine of Run
	Log     *slog.Logger
}

// Watcher watches until Run returns.
type Watcher struct {
	options Options
	notify  *fsnotify.Watcher
	watched map[string]bool
	full    bool
}

// New begins to watch.
func New(options Options) (*Watcher, error) {
	notify, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, fmt.Errorf("watching files: %w", err)
	}
	w := &Watcher{options: options, notify: notify, watched: map[string]bool{}}
	for _, dir := range options.Dirs {
		w.addTree(dir)
	}
	for _, path := range append(slices.Clone(options.Extra), options.Touched...) {
		w.add(filepath.Dir(path))
	}
	return w, nil
}

// Run tells of changes until ctx ends.
func (w *Watcher) Run(ctx context.Context) {
	defer w.notify.Close()
	changed, since := "", time.Time{}
	settled := time.NewTimer(atMost)
	settled.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case event, open := <-w.notify.Events:
			if !open {
				return
			}
			if !w.counts(event) {
				continue
			}
			if changed == "" {
				changed, since = event.Name, time.Now()
			}
			settled.Reset(min(quiet, max(0, time.Until(since.Add(atMost)))))
		case err, open := <-w.notify.Errors:
			if !open {
				return
			}
			w.options.Log.Warn("changes may have been missed", "error", err)
		case <-settled.C:
			w.options.Changed(changed)
			changed = ""
		}
	}
}

// counts reports whether the event is a change of a file that is watched for. A new directory is watched from now on.
func (w *Watcher) counts(event fsnotify.Event) bool {
	if slices.Contains(w.options.Touched, event.Name) && !event.Has(fsnotify.Remove) {
		return true
	}
	if event.Op == fsnotify.Chmod {
		return false
	}
	if event.Has(fsnotify.Remove) || event.Has(fsnotify.Rename) {
		w.forget(event.Name)
	}
	if event.Has(fsnotify.Create) {
		if info, err := os.Stat(event.Name); err == nil && info.IsDir() && w.inTree(event.Name) {
			w.addTree(event.Name)
			return hasPython(event.Name)
		}
	}
	for _, pattern := range w.options.Extra {
		if match, _ := filepath.Match(pattern, event.Name); match || pattern == event.Name {
			return true
		}
	}
	name := filepath.Base(event.Name)
	return strings.HasSuffix(name, ".py") && !strings.HasPrefix(name, ".") && w.inTree(event.Name)
}

func (w *Watcher) inTree(path string) bool {
	for _, dir := range w.options.Dirs {
		if rest, err := filepath.Rel(dir, path); err == nil && rest != ".." && !strings.HasPrefix(rest, "../") {
			return true
		}
	}
	return false
}

// hasPython reports whether a directory that was moved here has sources already.
func hasPython(dir string) bool {
	found, _ := filepath.Glob(filepath.Join(dir, "*.py"))
	return len(found) > 0
}

// addTree watches a directory and those in it, except where no source of the application lies.
func (w *Watcher) addTree(root string) {
	_ = filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			w.options.Log.Warn("directory not watched", "path", path, "error", err)
			return fs.SkipDir
		case !entry.IsDir():
			return nil
		case path != root && elsewhere(path):
			return fs.SkipDir
		}
		w.add(path)
		return nil
	})
}

// elsewhere reports whether a directory has no source that somebody writes: it is hidden, made by a tool, or an environment.
func elsewhere(path string) bool {
	name := filepath.Base(path)
	if strings.HasPrefix(name, ".") || name == "__pycache__" || name == "node_modules" || name == "site-packages" {
		return true
	}
	_, err := os.Stat(filepath.Join(path, "pyvenv.cfg"))
	return err == nil
}

// forget notes that what has this name is not watched any more, so that a directory that takes its place will be: as when another branch is
// checked out, and then the first one again.
func (w *Watcher) forget(name string) {
	if !w.watched[name] {
		return
	}
	for dir := range w.watched {
		if dir == name || strings.HasPrefix(dir, name+"/") {
			_ = w.notify.Remove(dir) // of one that was moved away; the kernel has forgotten one that is gone
			delete(w.watched, dir)
		}
	}
}

func (w *Watcher) add(dir string) {
	switch {
	case w.watched[dir] || w.full:
		return
	case len(w.watched) == mostDirectories:
		w.full = true
		w.options.Log.Warn("not every directory is watched", "watched", mostDirectories, "from", dir)
		return
	}
	if err := w.notify.Add(dir); err != nil {
		w.options.Log.Warn("directory not watched", "path", dir, "error", err)
		return
	}
	w.watched[dir] = true
}
