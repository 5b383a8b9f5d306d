package watch_test

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"speyside.dev/speyside/internal/watch"
)

const patience = 10 * time.Second

// watching is a project that is watched.
type watching struct {
	t       *testing.T
	dir     string
	changed chan string
}

func begin(t *testing.T, extra ...string) *watching {
	t.Helper()
	w := &watching{t: t, dir: t.TempDir(), changed: make(chan string, 16)}
	for _, dir := range []string{"shop", "shop/deep", ".hidden", "venv/lib", "node_modules", "conf"} {
		if err := os.MkdirAll(filepath.Join(w.dir, dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	w.write("venv/pyvenv.cfg")
	for i := range extra {
		extra[i] = filepath.Join(w.dir, extra[i])
	}
	watcher, err := watch.New(watch.Options{Dirs: []string{w.dir}, Extra: extra, Log: slog.New(slog.NewTextHandler(&bytes.Buffer{}, nil)),
		Changed: func(path string) { w.changed <- path }})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		watcher.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	return w
}

func (w *watching) write(name string) {
	w.t.Helper()
	if err := os.WriteFile(filepath.Join(w.dir, name), []byte("x = 1\n"), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// next is the file that was told next, within the project.
func (w *watching) next() string {
	w.t.Helper()
	select {
	case path := <-w.changed:
		name, _ := filepath.Rel(w.dir, path)
		return name
	case <-time.After(patience):
		w.t.Fatal("no change was told")
		return ""
	}
}

func TestChangeOfASourceIsToldAndNothingElse(t *testing.T) {
	w := begin(t)
	for _, name := range []string{"notes.txt", ".hidden/x.py", "venv/lib/x.py", "node_modules/x.py", "shop/.#edited.py", "shop/deep/views.py"} {
		w.write(name)
	}
	if name := w.next(); name != "shop/deep/views.py" {
		t.Errorf("%s was told", name)
	}
}

func TestManyChangesAtOnceAreOne(t *testing.T) {
	w := begin(t)
	for _, name := range []string{"a.py", "b.py", "shop/c.py"} {
		w.write(name)
	}
	if name := w.next(); name != "a.py" {
		t.Errorf("%s was told first", name)
	}
	w.write("shop/last.py")
	if name := w.next(); name != "shop/last.py" {
		t.Errorf("%s was told, too", name)
	}
}

func TestChangeThatGoesOnIsToldAllTheSame(t *testing.T) {
	w := begin(t)
	for deadline := time.Now().Add(patience); len(w.changed) == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("no change was told while it went on")
		}
		w.write("a.py")
	}
}

func TestFileThatTakesAnothersPlaceCounts(t *testing.T) {
	w := begin(t)
	w.write("shop/views.py~")
	if err := os.Rename(filepath.Join(w.dir, "shop/views.py~"), filepath.Join(w.dir, "shop/views.py")); err != nil {
		t.Fatal(err)
	}
	if name := w.next(); name != "shop/views.py" {
		t.Errorf("%s was told", name)
	}
	if err := os.Remove(filepath.Join(w.dir, "shop/views.py")); err != nil {
		t.Fatal(err)
	}
	if name := w.next(); name != "shop/views.py" {
		t.Errorf("%s was told", name)
	}
}

func TestNewDirectoryIsWatched(t *testing.T) {
	w := begin(t)
	if err := os.MkdirAll(filepath.Join(w.dir, "fresh"), 0o700); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(patience); len(w.changed) == 0; time.Sleep(time.Millisecond) { // until it is
		if time.Now().After(deadline) {
			t.Fatal("no change was told")
		}
		w.write("fresh/x.py")
	}
}

func TestDirectoryThatTakesAnothersPlaceIsWatched(t *testing.T) {
	for _, away := range []func(*watching) error{
		func(w *watching) error { return os.RemoveAll(filepath.Join(w.dir, "shop")) },
		func(w *watching) error { return os.Rename(filepath.Join(w.dir, "shop"), filepath.Join(w.dir, ".old")) },
	} {
		w := begin(t)
		if err := away(w); err != nil {
			t.Fatal(err)
		}
		w.write("a.py") // what was seen before it has been seen
		w.next()
		if err := os.MkdirAll(filepath.Join(w.dir, "shop/deep"), 0o700); err != nil {
			t.Fatal(err)
		}
		name := ""
		for deadline := time.Now().Add(patience); name == "" && time.Now().Before(deadline); { // until it is watched
			w.write("shop/deep/x.py")
			select {
			case name = <-w.changed:
			case <-time.After(200 * time.Millisecond): // longer than a change that is over is kept back
			}
		}
		if name, _ := filepath.Rel(w.dir, name); !strings.HasPrefix(name, "shop/deep") { // with what it had at first
			t.Errorf("%q was told", name)
		}
	}
}

func TestFurtherFilesCount(t *testing.T) {
	w := begin(t, "conf/*.yaml", "shop/page.html")
	w.write("conf/x.json")
	w.write("conf/x.yaml")
	if name := w.next(); name != "conf/x.yaml" {
		t.Errorf("%s was told", name)
	}
	w.write("shop/page.html")
	if name := w.next(); name != "shop/page.html" {
		t.Errorf("%s was told", name)
	}
}
