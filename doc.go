// Package speyside serves a Python WSGI application (PEP 3333): HTTP is done here, in Go, and the application runs in
// workers on the user's own Python.
//
// Callers need [New] and [Server.Run], which serves until it is told to stop, and [Started], what there is to tell once it serves. The package puts
// the parts together: settings become the options of front and arbiter. It prints nothing and handles no signal but
// SIGCHLD; that is for cmd/speyside.
package speyside

import (
	"time"
)

// Started is what there is to tell a person once the application is loaded.
type Started struct {
	URLs       []string // one per listener; a Unix socket as unix:PATH
	App        string   // as it was named
	Config     string   // the file with settings, empty where there is none
	Framework  string   // "Django", "Flask", … or empty
	Python     string   // version
	Executable string   // the interpreter
	WhyPython  string   // why this one; empty when speyside is installed in it
	Workers    int
	WorkersMin int // between which and WorkersMax the number follows the demand; both 0: it does not
	WorkersMax int
	Reckoned   string // how so many workers came about, where nobody said how many
	Threads    int
	Script     bool // the application is a script that was run
	Took       time.Duration
}
