//go:build linux

// Package identity is who the server runs as: the user and the groups that it changes to once it has opened what only root may open. Callers
// need [Find] and [Identity.Take].
//
// Names are looked up in /etc/passwd and /etc/group, and where they are not there with getent(1), which asks whatever else the machine
// has. The package never goes back: who has taken an identity cannot return to root.
package identity

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// Identity is a user with the groups that its processes are in.
type Identity struct {
	User   string // as it was asked for; empty: not changed
	UID    int
	GID    int
	Groups []int // those besides GID
	// Lent says that the user has no group of its own, being no more than a number: GID is that of whoever started the server.
	Lent bool
}

// ErrNotRoot says that the identity is another than that of this process, which may not change it.
var ErrNotRoot = errors.New("only root may change to another user or group")

// Find returns the identity of a user and a group, each a name, a number or empty for the process's own; with groups the user is in all the
// groups that it is a member of. A user's group is its own where none is named. It returns nil where there is nothing to change.
func Find(name, group string, groups bool) (*Identity, error) {
	id := &Identity{User: name, UID: os.Geteuid(), GID: os.Getegid()}
	account, err := id.findUser(name)
	if err != nil {
		return nil, err
	}
	if group != "" {
		if id.GID, err = groupNumber(group); err != nil {
			return nil, err
		}
		id.Lent = false
	}
	switch {
	case id.UID == os.Geteuid() && id.GID == os.Getegid() && (id.UID != 0 || !groups):
		return nil, nil
	case os.Geteuid() != 0:
		return nil, ErrNotRoot
	}
	if groups && account != nil {
		if id.Groups, err = memberOf(account); err != nil {
			return nil, err
		}
		id.Groups = slices.DeleteFunc(id.Groups, func(group int) bool { return group == id.GID })
	}
	return id, nil
}

func (id *Identity) findUser(name string) (*user.User, error) {
	if name == "" {
		return nil, nil
	}
	account, err := lookUpUser(name)
	number, isNumber := parseID(name)
	switch {
	case err == nil:
		id.UID, err = strconv.Atoi(account.Uid)
		if id.UID != os.Geteuid() && err == nil {
			id.GID, err = strconv.Atoi(account.Gid)
		}
	case isNumber:
		id.UID, id.Lent, err = number, number != os.Geteuid(), nil
	default:
		err = fmt.Errorf("there is no user %s", name)
	}
	return account, err
}

// lookUpUser finds an account by its name or number.
func lookUpUser(name string) (*user.User, error) {
	find := user.Lookup
	if _, isNumber := parseID(name); isNumber {
		find = user.LookupId
	}
	account, err := find(name)
	if err == nil {
		return account, nil
	}
	fields := getent("passwd", name)
	if len(fields) < 4 {
		return nil, err
	}
	return &user.User{Username: fields[0], Uid: fields[2], Gid: fields[3]}, nil
}

func groupNumber(name string) (int, error) {
	if number, ok := parseID(name); ok {
		return number, nil
	}
	if group, err := user.LookupGroup(name); err == nil {
		return strconv.Atoi(group.Gid)
	}
	if fields := getent("group", name); len(fields) >= 3 {
		return strconv.Atoi(fields[2])
	}
	return 0, fmt.Errorf("there is no group %s", name)
}

// memberOf returns the groups that a user is a member of.
func memberOf(account *user.User) ([]int, error) {
	texts, err := account.GroupIds()
	if err != nil {
		return nil, fmt.Errorf("looking up the groups of %s: %w", account.Username, err)
	}
	if asked := getent("initgroups", account.Username); len(asked) > 0 {
		texts = append(texts, strings.Fields(asked[0])[1:]...)
	}
	var numbers []int
	for _, text := range texts {
		if number, ok := parseID(text); ok && !slices.Contains(numbers, number) {
			numbers = append(numbers, number)
		}
	}
	return numbers, nil
}

// getent returns the fields of an entry in one of the machine's databases, or nil.
func getent(database, key string) []string {
	line, err := exec.Command("getent", database, key).Output()
	text := strings.TrimSpace(string(line))
	if err != nil || text == "" {
		return nil
	}
	return strings.Split(text, ":")
}

func parseID(text string) (int, bool) {
	const nobody = 1<<32 - 1 // what chown and setresuid take for "leave it"
	number, err := strconv.ParseUint(text, 10, 32)
	return int(number), err == nil && number != nobody
}

// Take makes this process, all its threads and all that it starts from now on those of the identity. Capabilities go with root.
func (id *Identity) Take() error {
	if id == nil {
		return nil
	}
	groups := append([]int{id.GID}, id.Groups...)
	if err := syscall.Setgroups(groups); err != nil {
		return fmt.Errorf("changing to the groups %v: %w", groups, err)
	}
	if err := syscall.Setresgid(id.GID, id.GID, id.GID); err != nil {
		return fmt.Errorf("changing to the group %d: %w", id.GID, err)
	}
	if err := syscall.Setresuid(id.UID, id.UID, id.UID); err != nil {
		return fmt.Errorf("changing to the user %d: %w", id.UID, err)
	}
	return nil
}

// Own gives a file to the identity, so that it can be used after Take. It follows no symbolic link: in a directory of that user's it might lead
// anywhere.
func (id *Identity) Own(path string) error {
	if id == nil {
		return nil
	}
	return os.Lchown(path, id.UID, id.GID)
}
