package settings

import "strings"

// elsewhere is what other servers call our settings, in our letters, where gunicorn's row does not say it.
var elsewhere = map[string]string{
	"app": "wsgi_app", "application": "wsgi_app", "callable": "wsgi_app", "module": "wsgi_app", "wsgi": "wsgi_app", "wsgi_file": "wsgi_app",
	"address": "bind", "host": "bind", "http": "bind", "http_socket": "bind", "listen": "bind", "port": "bind",
	"processes": "workers", "worker_processes": "workers", "cheaper": "workers_min", "min_workers": "workers_min", "max_workers": "workers_max",
	"harakiri": "timeout", "request_timeout": "timeout",
	"client_max_body_size": "limit_request_body", "limit_post": "limit_request_body", "max_request_body_size": "limit_request_body",
	"home": "venv", "virtualenv": "venv",
	"daemonize": "daemon", "uid": "user", "gid": "group",
}

// Meant returns the setting that somebody means who writes a name that is no setting's: ours in other letters, or the word of another
// server. It is nil for any other name, for which [Nearest] may know more.
func Meant(typed string) *Setting {
	name := strings.ToLower(strings.ReplaceAll(typed, "-", "_"))
	if ours := elsewhere[name]; ours != "" {
		name = ours
	}
	for i := range table {
		setting := &table[i]
		if setting.Name == name || !setting.Positional && setting.FlagName() == strings.ReplaceAll(name, "_", "-") {
			return setting
		}
	}
	return nil
}

// Nearest returns the name that was probably meant by typed, or "" when none is near.
func Nearest(typed string, names []string) string {
	best, near := (len(typed)+1)/3+1, ""
	for _, name := range names {
		if d := distance(typed, name); d < best {
			best, near = d, name
		}
	}
	return near
}

// distance counts the letters to insert, delete, replace or swap with the next one to turn a into b.
func distance(a, b string) int {
	before, above, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before, above, row = above, row, before
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(above[j]+cost, above[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
	}
	return row[len(b)]
}
