package policy

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
)

// module is the path that all packages of the tree begin with.
const module = "speyside.dev/speyside"

// ladder says on which rung a room of internal/ stands. A room imports lower rungs only.
var ladder = map[string]int{
	"wire": 0, "fault": 0, "authority": 0, "cgroup": 0, "interpreter": 0, "identity": 0, "accesslog": 0, "demand": 0,
	"settings": 1, "slot": 1, "loop": 1, "listen": 1, "spool": 1, "observe": 1, "proxy": 1, "watch": 1,
	"dispatch": 2, "arbiter": 2, "http1": 2, "generation": 2, "service": 2,
	"front": 3, "control": 3,
	"config": 3,
}

// ground is the room that every other may import, on its own rung too: it imports nothing of ours.
const ground = "fault"

// rooms says what the rooms outside internal/ may import of ours; "*" is anything. Other directories: nothing.
var rooms = map[string][]string{
	"":      {"internal/*"},
	"cmd":   {"", "internal/settings", "internal/config", "internal/fault", "internal/control"},
	"tools": {"*"},
}

// Imports complains about imports that go against the ladder, of settings where they have no business, and of
// net/http in internal/. Tests may import what they like.
func Imports(sources []Source) []string {
	var complaints []string
	for _, s := range sources {
		if s.Go == nil || s.Test() {
			continue
		}
		for _, spec := range s.Go.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				continue
			}
			if why := forbidden(path.Dir(s.Path), imported); why != "" {
				complaints = append(complaints, fmt.Sprintf("%s imports %s: %s", s.Path, imported, why))
			}
		}
	}
	return complaints
}

// forbidden says why the package in dir may not import imported, or "".
func forbidden(dir, imported string) string {
	if dir == "." {
		dir = ""
	}
	inside, from := isInternal(dir)
	rest, ours := strings.CutPrefix(imported, module)
	ours = ours && (rest == "" || rest[0] == '/')
	switch {
	case inside && imported == "net/http":
		return "the server has its own HTTP"
	case !ours:
		return ""
	}
	target := strings.TrimPrefix(rest, "/")
	if !inside {
		return forbiddenOutside(dir, target)
	}
	_, to := isInternal(target)
	fromRung, known := ladder[from]
	if !known {
		return "internal/" + from + " has no rung: give it one in tools/policy/imports.go"
	}
	toRung, known := ladder[to]
	switch {
	case from == to || to == ground:
		return ""
	case !known:
		return "it is not on the ladder"
	case to == "settings" && from != "config":
		return "parts take Options; only the root package, cmd, tools and config read settings"
	case toRung >= fromRung:
		return fmt.Sprintf("rung %d may import lower rungs only, and %s is on rung %d", fromRung, to, toRung)
	}
	return ""
}

func forbiddenOutside(dir, target string) string {
	room, _, _ := strings.Cut(dir, "/")
	allowed := rooms[room]
	_, name := isInternal(target)
	if slices.Contains(allowed, "*") || slices.Contains(allowed, target) ||
		name != "" && (slices.Contains(allowed, "internal/*") || slices.Contains(allowed, "internal/"+name)) {
		return ""
	}
	if room == "" {
		room = "the root package"
	}
	return room + " may not"
}

// isInternal reports whether dir is in internal/, and in which room of it.
func isInternal(dir string) (bool, string) {
	rest, ok := strings.CutPrefix(dir, "internal/")
	room, _, _ := strings.Cut(rest, "/")
	if !ok {
		return false, ""
	}
	return true, room
}
