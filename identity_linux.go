package speyside

import (
	"errors"
	"os"

	"speyside.dev/speyside/internal/arbiter"
	"speyside.dev/speyside/internal/fault"
	"speyside.dev/speyside/internal/identity"
)

// becoming is the user that the server runs as once it has opened what only root may; nil: it stays who it is.
type becoming struct{ *identity.Identity }

// findIdentity looks up user and group before anything is opened.
func (r *Server) findIdentity() error {
	s := r.settings()
	id, err := identity.Find(s.User, s.Group, s.InitGroups)
	switch {
	case errors.Is(err, identity.ErrNotRoot):
		return fault.New(fault.UserNotChanged, "user and group are %q and %q: %w", s.User, s.Group, err)
	case err != nil:
		return fault.New(fault.SettingInvalid, "settings user and group are %q (from %s) and %q (from %s): %w", s.User, s.Source("user"), s.Group, s.Source("group"), err).
			WithHint("name one that `getent passwd` or `getent group` shows, or a number.")
	}
	r.identity.Identity = id
	return nil
}

// takeIdentity gives up root. It is called when everything is open that only root may open, and before there is any Python.
func (r *Server) takeIdentity() error {
	id := r.identity.Identity
	if id == nil {
		return nil
	}
	r.giveLogs()
	if err := id.Take(); err != nil {
		return fault.New(fault.UserNotChanged, "%w", err)
	}
	if err := r.watched.renew(); err != nil {
		r.log.Warn("control socket not renewed", "error", err, "effect", "root alone finds this server")
	}
	r.log.Info("user changed", "uid", id.UID, "gid", id.GID, "groups", id.Groups)
	if id.Lent {
		r.log.Warn("user has no group of its own", "user", id.User, "gid", id.GID, "hint", "name one with --group")
	}
	return nil
}

// giveLogs gives the logs to the user, as gunicorn does: when they are reopened (USR1) root is gone.
func (r *Server) giveLogs() {
	s := r.settings()
	for _, path := range []string{s.ErrorLog, s.AccessLog} {
		if info, err := os.Lstat(path); err != nil || !info.Mode().IsRegular() {
			continue // none, standard error, a pipe, a device
		}
		if err := r.identity.owned(path); err != nil {
			r.log.Warn("log not given to the user", "path", path, "error", err)
		}
	}
}

// owned gives the user what root has made of its own: Unix sockets and the pid file.
func (b *becoming) owned(path string) error {
	if b.Identity == nil || path == "" {
		return nil
	}
	return b.Own(path)
}

// told is the identity as a zygote is told of it.
func (b *becoming) told() *arbiter.Identity {
	if b.Identity == nil {
		return nil
	}
	groups := b.Groups
	if groups == nil {
		groups = []int{}
	}
	return &arbiter.Identity{UID: b.UID, GID: b.GID, Groups: groups}
}
