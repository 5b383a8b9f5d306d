//go:build linux

package identity

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func TestOwnUserAndGroupAreNothingToChange(t *testing.T) {
	me, mine := strconv.Itoa(os.Geteuid()), strconv.Itoa(os.Getegid())
	for _, c := range [][2]string{{"", ""}, {me, ""}, {"", mine}, {me, mine}} {
		if id, err := Find(c[0], c[1], false); id != nil || err != nil {
			t.Errorf("%q: %v, %v", c, id, err)
		}
	}
}

func TestUnknownNamesAreSaid(t *testing.T) {
	for want, c := range map[string][2]string{"there is no user nobody-of-that-name": {"nobody-of-that-name", ""}, "there is no group no-such-group": {"", "no-such-group"},
		"there is no user 4294967295": {"4294967295", ""}, "there is no user -1": {"-1", ""}, "there is no group 99999999999": {"", "99999999999"}} {
		if id, err := Find(c[0], c[1], true); id != nil || err == nil || err.Error() != want {
			t.Errorf("%q: %v, %v", c, id, err)
		}
	}
}

func TestOnlyRootChanges(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("this is root")
	}
	for _, c := range [][2]string{{"nobody", ""}, {"0", ""}, {"", "0"}} {
		if _, err := Find(c[0], c[1], false); !errors.Is(err, ErrNotRoot) {
			t.Errorf("%q: %v", c, err)
		}
	}
}

func TestIdentityIsThatOfTheAccount(t *testing.T) {
	asRoot(t)
	nobody, err := Find("nobody", "", false)
	if err != nil || nobody.UID != 65534 || nobody.GID != 65534 || nobody.Lent || len(nobody.Groups) != 0 {
		t.Errorf("nobody is %+v, %v", nobody, err)
	}
	number, err := Find("65534", "daemon", false)
	if err != nil || number.UID != 65534 || number.GID != 1 || number.Lent {
		t.Errorf("65534:daemon is %+v, %v", number, err)
	}
	nameless, err := Find("54321", "", true)
	if err != nil || nameless.UID != 54321 || nameless.GID != os.Getegid() || !nameless.Lent {
		t.Errorf("54321 is %+v, %v", nameless, err)
	}
	group, err := Find("", "54321", false)
	if err != nil || group.UID != 0 || group.GID != 54321 {
		t.Errorf(":54321 is %+v, %v", group, err)
	}
}

// The accounts of a machine may be elsewhere than in its files: getent knows.
func TestAccountsOfOtherDatabasesAreFound(t *testing.T) {
	asRoot(t)
	dir := t.TempDir()
	script := "#!/bin/sh\ncase \"$1 $2\" in\n'passwd remote') echo 'remote:*:7001:7002:Far away:/:/bin/sh' ;;\n'initgroups remote') echo 'remote 7002 7003' ;;\n" +
		"'group far') echo 'far:*:7004:' ;;\n*) exit 2 ;;\nesac\n"
	if err := os.WriteFile(filepath.Join(dir, "getent"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	id, err := Find("remote", "far", true)
	if err != nil || id.UID != 7001 || id.GID != 7004 || !slices.Contains(id.Groups, 7003) {
		t.Errorf("%+v, %v", id, err)
	}
}

// takes is what the test program does when it is started by TestTakingLeavesNothingOfRoot.
const takes = "IDENTITY_TEST_TAKES"

func TestMain(m *testing.M) {
	if os.Getenv(takes) == "" {
		os.Exit(m.Run())
	}
	id := &Identity{UID: 65534, GID: 65533, Groups: []int{7, 8}}
	if err := id.Take(); err != nil {
		_, _ = os.Stderr.WriteString(err.Error())
		os.Exit(1)
	}
	all, _ := filepath.Glob("/proc/self/task/*/status")
	for _, path := range all {
		text, _ := os.ReadFile(path)
		_, _ = os.Stdout.Write(text)
	}
}

func TestTakingLeavesNothingOfRoot(t *testing.T) {
	asRoot(t)
	command := exec.Command(os.Args[0])
	command.Env = append(os.Environ(), takes+"=1")
	out, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	threads := strings.Count(string(out), "\nPid:")
	for _, line := range []string{"Uid:\t65534\t65534\t65534\t65534\n", "Gid:\t65533\t65533\t65533\t65533\n", "Groups:\t7 8 65533 \n",
		"CapPrm:\t0000000000000000\n", "CapEff:\t0000000000000000\n"} {
		if n := strings.Count(string(out), line); n != threads || n == 0 {
			t.Errorf("%d of %d threads have %q", n, threads, line)
		}
	}
}

func asRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can become somebody else")
	}
}
