package control

import (
	"bufio"
	"io"
	"net"
	"slices"
	"testing"
)

func TestOnlyOurListeningSocketsAreFound(t *testing.T) {
	table := `Num       RefCount Protocol Flags    Type St Inode Path
00000000fd3539be: 00000002 00000000 00010000 0001 01 7642741 @speyside.27806.dc41e532
00000000fd3539bf: 00000003 00000000 00000000 0001 03 7642742 @speyside.27806.dc41e532
00000000fd3539c0: 00000002 00000000 00010000 0001 01 7642743 /run/speyside.1
00000000fd3539c1: 00000002 00000000 00010000 0001 01 7642744
00000000fd3539c2: 00000002 00000000 00010000 0001 01 7642745 @speyside.7.00000000
malformed
`
	if got, want := listening([]byte(table), 0), []string{"@speyside.27806.dc41e532", "@speyside.7.00000000"}; !slices.Equal(got, want) {
		t.Errorf("found %q", got)
	}
	if got, want := listening([]byte(table), 7), []string{"@speyside.7.00000000"}; !slices.Equal(got, want) {
		t.Errorf("found %q of pid 7", got)
	}
	if got := listening([]byte(table), 2); len(got) > 0 {
		t.Errorf("found %q of pid 2", got)
	}
}

func TestAnswersOfAServerThatIsNoneAreErrors(t *testing.T) {
	for answer, want := range map[string]bool{
		"HTTP/1.1 200 OK\r\nA: b\r\n\r\n{}": true, "": false, "HTTP/1.1 200 OK\r\n": false, "\r\n\r\n": false, "x y z\r\n\r\n": false,
	} {
		ours, theirs := net.Pipe()
		go func() {
			r := bufio.NewReader(theirs)
			for line := ""; line != "\r\n"; line, _ = r.ReadString('\n') {
			}
			_, _ = io.WriteString(theirs, answer)
			_ = theirs.Close()
		}()
		status, body, err := exchange(ours, "GET", "/status")
		if (err == nil) != want || want && (status != 200 || string(body) != "{}") {
			t.Errorf("%q: %d %q %v", answer, status, body, err)
		}
	}
}
