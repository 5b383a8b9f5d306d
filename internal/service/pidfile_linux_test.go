package service

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// Who owns the directory may have put anything there, and it may be root that writes.
func TestPidFileIsNotWrittenThroughALink(t *testing.T) {
	dir := t.TempDir()
	path, secret := filepath.Join(dir, "pid"), filepath.Join(dir, "secret")
	if err := os.WriteFile(secret, []byte("kept"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{path, fmt.Sprintf("%s.%d", path, os.Getpid())} {
		if err := os.Symlink(secret, name); err != nil {
			t.Fatal(err)
		}
	}
	file, err := WritePid(path, 0)
	if err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(secret); err != nil || string(text) != "kept" {
		t.Errorf("where the link leads there is %q, %v", text, err)
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != fmt.Sprintf("%d\n", os.Getpid()) {
		t.Errorf("the file has %q, %v", text, err)
	}
	file.Remove()
	if _, err := os.Lstat(path); err == nil {
		t.Error("it was not removed")
	}
}
