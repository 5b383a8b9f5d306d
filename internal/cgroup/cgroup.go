// Package cgroup finds the control groups of this process. Most callers need Find for the directories of a controller, and
// FindMemory for what the kernel's memory controller says.
//
// It reads files below a root that is given to it and keeps nothing open. It changes no group and makes none.
package cgroup

import (
	"io/fs"
	"path"
	"strings"
)

// Group is where a controller keeps the files of this process's group.
type Group struct {
	Unified bool     // version 2
	Name    string   // as /proc/self/cgroup has it
	Dirs    []string // below the root: its own first, then those above it as far as they are mounted
}

// Find returns the groups of this process that may have the controller: of version 2, and of version 1.
func Find(root fs.FS, controller string) []Group {
	var groups []Group
	mounts := Text(root, "proc/self/mountinfo")
	for _, line := range strings.Split(Text(root, "proc/self/cgroup"), "\n") {
		parts := strings.SplitN(line, ":", 3) // hierarchy:controllers:path
		if len(parts) != 3 || parts[1] != "" && !hasWord(parts[1], controller) {
			continue
		}
		group := Group{Unified: parts[1] == "", Name: parts[2]}
		mountRoot, mountPoint := mount(mounts, group.Unified, controller)
		if mountPoint == "" {
			continue
		}
		below, inside := strings.CutPrefix(group.Name, strings.TrimSuffix(mountRoot, "/"))
		if !inside {
			below = "" // a container that sees the host's path but only its own part of the tree
		}
		top := strings.TrimPrefix(mountPoint, "/")
		for dir := path.Join(top, below); ; dir = path.Dir(dir) {
			group.Dirs = append(group.Dirs, dir)
			if len(dir) <= len(top) {
				break
			}
		}
		groups = append(groups, group)
	}
	return groups
}

// mount finds the mount of the unified hierarchy or of the controller: which part of it, and where.
func mount(mountinfo string, unified bool, controller string) (root, point string) {
	for _, line := range strings.Split(mountinfo, "\n") {
		before, after, ok := strings.Cut(line, " - ")
		fields, kind := strings.Fields(before), strings.Fields(after)
		if !ok || len(fields) < 5 || len(kind) < 3 {
			continue
		}
		if unified && kind[0] == "cgroup2" || !unified && kind[0] == "cgroup" && hasWord(kind[2], controller) {
			return fields[3], fields[4]
		}
	}
	return "", ""
}

// Text returns the file's text, or "" when it cannot be read: a system without it has no such group, and no limit.
func Text(root fs.FS, name string) string {
	text, err := fs.ReadFile(root, name)
	if err != nil {
		return ""
	}
	return string(text)
}

// hasWord reports whether word is one of the words of list, which commas separate.
func hasWord(list, word string) bool { return strings.Contains(","+list+",", ","+word+",") }
