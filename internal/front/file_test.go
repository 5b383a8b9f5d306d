//go:build linux

package front_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"speyside.dev/speyside/internal/dispatch"
	"speyside.dev/speyside/internal/slot/slottest"
	"speyside.dev/speyside/internal/wire"
)

// madeFile is a file of n bytes that are not all the same.
func madeFile(t testing.TB, n int) (*os.File, []byte) {
	t.Helper()
	content := make([]byte, n)
	for i := range content {
		content[i] = byte(i * i >> 8)
	}
	file, err := os.Create(filepath.Join(t.TempDir(), "file"))
	check(t, err)
	t.Cleanup(func() { _ = file.Close() })
	_, err = file.Write(content)
	check(t, err)
	return file, content
}

// replyWith answers with the head and, after it, what was handed over before.
func replyWith(worker *slottest.Worker, i uint32, length int) {
	worker.Head(i, 200, "200 OK", fmt.Sprintf("Content-Length: %d\r\n", length), nil, wire.ReplyHasLength|wire.ReplyFile)
	worker.Slot(i).ReplyLength = uint64(length)
	worker.Move(i, wire.StateStarted, wire.StateDone)
	worker.Ring(i)
}

// handOver hands over a part of a file and answers with it.
func (w *world) handOver(worker *slottest.Worker, i uint32, file *os.File, at, length int) {
	message := wire.Handover{Slot: i, Generation: worker.Generation(i), At: uint64(at), Length: uint64(length)}
	check(w.t, slottest.HandOver(w.socket(), message, int(file.Fd())))
	replyWith(worker, i, length)
}

// socket is the workers' end of the only port's.
func (w *world) socket() int { return int(w.segment.Sockets()[0].Fd()) }

// started claims and starts the next request.
func (w *world) started(worker *slottest.Worker) uint32 {
	i := w.next(worker)
	worker.Move(i, wire.StateClaimed, wire.StateStarted)
	return i
}

// openFiles counts the descriptors of this process that lead to the file.
func openFiles(t testing.TB, file *os.File) (n int) {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	check(t, err)
	for _, entry := range entries {
		if name, err := os.Readlink("/proc/self/fd/" + entry.Name()); err == nil && name == file.Name() {
			n++
		}
	}
	return n
}

// closedAgain waits until only the test has the file open.
func closedAgain(t testing.TB, file *os.File) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); openFiles(t, file) != 1; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d descriptors of the file are open", openFiles(t, file))
		}
	}
}

func TestPartOfAFileFollowsTheHeadAndTheConnectionGoesOn(t *testing.T) {
	w := start(t, 1, 1)
	worker := w.join(0)
	file, content := madeFile(t, 3_000_000)
	c := w.dial()
	r := bufio.NewReader(c)
	for _, part := range [][2]int{{0, len(content)}, {17, 1}, {1_000_001, 1_999_999}, {2_999_999, 1}} {
		fmt.Fprint(c, get)
		w.handOver(worker, w.started(worker), file, part[0], part[1])
		if reply, body := w.read(r); reply.Close || body != string(content[part[0]:part[0]+part[1]]) {
			t.Fatalf("%v: got %v with %d bytes", part, reply, len(body))
		}
	}
	closedAgain(t, file)
	if at, err := file.Seek(0, io.SeekCurrent); err != nil || at != int64(len(content)) {
		t.Errorf("the offset that the application sees was moved to %d, %v", at, err)
	}
}

func TestFileOfASlowClientKeepsNeitherSlotNorLoop(t *testing.T) {
	w := start(t, 1, 1)
	worker := w.join(0)
	file, content := madeFile(t, 8_000_000)
	for range 100 { // more than there are slots
		c := w.dial()
		fmt.Fprint(c, get)
		w.handOver(worker, w.started(worker), file, 0, len(content))
	}
	c := w.dial()
	fmt.Fprint(c, get)
	w.handOver(worker, w.started(worker), file, 0, len(content))
	if _, body := w.read(bufio.NewReader(c)); body != string(content) {
		t.Fatalf("got %d bytes", len(body))
	}
}

func TestClientThatLeavesInTheMiddleGivesTheFileBack(t *testing.T) {
	w := start(t, 1, 1)
	worker := w.join(0)
	file, content := madeFile(t, 30_000_000)
	for range 50 {
		c := w.dial()
		fmt.Fprint(c, get)
		w.handOver(worker, w.started(worker), file, 0, len(content))
		_, err := io.ReadFull(c, make([]byte, 100_000))
		check(t, err)
		_ = c.(*net.TCPConn).SetLinger(0)
		_ = c.Close()
	}
	closedAgain(t, file)
}

func TestFileThatBecomesShorterCutsItsReply(t *testing.T) {
	w := start(t, 1, 1)
	worker := w.join(0)
	file, content := madeFile(t, 30_000_000)
	c := w.dial()
	r := bufio.NewReader(c)
	fmt.Fprint(c, get)
	w.handOver(worker, w.started(worker), file, 0, len(content))
	reply, err := http.ReadResponse(r, nil)
	check(t, err)
	check(t, file.Truncate(1000))
	body, err := io.ReadAll(reply.Body)
	if err == nil || !bytes.HasPrefix(content, body[:1000]) {
		t.Fatalf("%d bytes, %v", len(body), err)
	}
	closedAgain(t, file)
}

func TestHandoverThatCannotBeCostsItsOwnReplyOnly(t *testing.T) {
	file, content := madeFile(t, 100_000)
	fd := int(file.Fd())
	var pipe [2]int
	check(t, unix.Pipe2(pipe[:], unix.O_CLOEXEC))
	directory, err := os.Open(t.TempDir())
	check(t, err)
	whole := uint64(len(content))
	for name, hand := range map[string]func(socket int, i, generation uint32) error{
		"nothing": func(int, uint32, uint32) error { return nil },
		"a pipe": func(socket int, i, g uint32) error {
			return slottest.HandOver(socket, wire.Handover{Slot: i, Generation: g, Length: whole}, pipe[0])
		},
		"a directory": func(socket int, i, g uint32) error {
			return slottest.HandOver(socket, wire.Handover{Slot: i, Generation: g, Length: whole}, int(directory.Fd()))
		},
		"a socket": func(socket int, i, g uint32) error {
			return slottest.HandOver(socket, wire.Handover{Slot: i, Generation: g, Length: whole}, socket)
		},
		"two files": func(socket int, i, g uint32) error {
			return slottest.HandOver(socket, wire.Handover{Slot: i, Generation: g, Length: whole}, fd, fd)
		},
		"no file": func(socket int, i, g uint32) error {
			return slottest.HandOver(socket, wire.Handover{Slot: i, Generation: g, Length: whole})
		},
		"another generation": func(socket int, i, g uint32) error {
			return slottest.HandOver(socket, wire.Handover{Slot: i, Generation: g - 1, Length: whole}, fd)
		},
		"another slot": func(socket int, i, g uint32) error {
			return slottest.HandOver(socket, wire.Handover{Slot: i + 1, Generation: g, Length: whole}, fd)
		},
		"no slot": func(socket int, _, g uint32) error {
			return slottest.HandOver(socket, wire.Handover{Slot: math.MaxUint32, Generation: g, Length: whole}, fd)
		},
		"no length": func(socket int, i, g uint32) error {
			return slottest.HandOver(socket, wire.Handover{Slot: i, Generation: g}, fd)
		},
		"an end beyond all files": func(socket int, i, g uint32) error {
			return slottest.HandOver(socket, wire.Handover{Slot: i, Generation: g, At: math.MaxInt64, Length: 1}, fd)
		},
		"an empty message": func(socket int, _, _ uint32) error { return unix.Send(socket, nil, 0) },
		"a short message":  func(socket int, _, _ uint32) error { return unix.Send(socket, []byte("short"), 0) },
		"a long message":   func(socket int, _, _ uint32) error { return unix.Send(socket, make([]byte, 100), 0) },
	} {
		t.Run(name, func(t *testing.T) {
			w := start(t, 1, 1)
			worker := w.join(0)
			c := w.dial()
			fmt.Fprint(c, get)
			i := w.started(worker)
			check(t, hand(w.socket(), i, worker.Generation(i)))
			replyWith(worker, i, len(content))
			if reply, _ := w.read(bufio.NewReader(c)); reply.StatusCode != 502 {
				t.Fatalf("got %v", reply)
			}
			other := w.dial()
			fmt.Fprint(other, get)
			w.handOver(worker, w.started(worker), file, 0, len(content))
			if _, body := w.read(bufio.NewReader(other)); body != string(content) {
				t.Fatalf("another request got %d bytes", len(body))
			}
			closedAgain(t, file)
		})
	}
}

func TestFileWithoutLengthIsRefused(t *testing.T) {
	w := start(t, 1, 1)
	worker := w.join(0)
	file, content := madeFile(t, 100_000)
	c := w.dial()
	fmt.Fprint(c, get)
	i := w.started(worker)
	check(t, slottest.HandOver(w.socket(), wire.Handover{Slot: i, Generation: worker.Generation(i), Length: uint64(len(content))}, int(file.Fd())))
	worker.Head(i, 200, "200 OK", "", nil, wire.ReplyFile)
	worker.Move(i, wire.StateStarted, wire.StateDone)
	worker.Ring(i)
	if reply, _ := w.read(bufio.NewReader(c)); reply.StatusCode != 502 {
		t.Fatalf("got %v", reply)
	}
	closedAgain(t, file)
}

func TestFileOfAWorkerThatDiedBeforeItsReplyIsGivenBack(t *testing.T) {
	w := start(t, 1, 1)
	worker := w.join(0)
	file, content := madeFile(t, 100_000)
	c := w.dial()
	fmt.Fprint(c, get)
	i := w.started(worker)
	check(t, slottest.HandOver(w.socket(), wire.Handover{Slot: i, Generation: worker.Generation(i), Length: uint64(len(content))}, int(file.Fd())))
	w.generation.WorkerDied(0, func([]dispatch.InHand) {})
	if reply, _ := w.read(bufio.NewReader(c)); reply.StatusCode != 502 {
		t.Fatalf("got %v", reply)
	}
	closedAgain(t, file)
}

func TestNoDescriptorLeftIs503(t *testing.T) {
	w := start(t, 1, 1)
	worker := w.join(0)
	file, content := madeFile(t, 100_000)
	c := w.dial()
	r := bufio.NewReader(c)
	fmt.Fprint(c, get)
	i := w.started(worker)
	var limit unix.Rlimit
	check(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &limit))
	check(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 4, Max: limit.Max}))
	w.handOver(worker, i, file, 0, len(content))
	reply, _ := w.read(r)
	check(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &limit))
	if reply.StatusCode != 503 {
		t.Fatalf("got %v", reply)
	}
}

func TestFileGoesToTheClientThoughItSendsMeanwhile(t *testing.T) {
	w := start(t, 1, 1)
	worker := w.join(0)
	file, content := madeFile(t, 8_000_000)
	c := w.dial()
	r := bufio.NewReader(c)
	fmt.Fprint(c, get)
	w.handOver(worker, w.started(worker), file, 0, len(content))
	fmt.Fprint(c, get) // pipelined
	if _, body := w.read(r); body != string(content) {
		t.Fatalf("got %d bytes", len(body))
	}
	hello(worker, w.started(worker))
	if _, body := w.read(r); body != "Hello World !" {
		t.Fatalf("got %q", body)
	}
}

func TestFileThatIsSlowToComeIsSentToAClientThatHasEndedItsSide(t *testing.T) {
	const patience = 50 * time.Millisecond
	w := startWith(t, 1, 1, abandonAfter(patience))
	worker := w.join(0)
	file, content := madeFile(t, 100_000)
	release := w.front.HoldHelpers(0)
	c := w.ask("/")
	i := w.started(worker)
	check(t, c.CloseWrite())
	w.left(worker, i)
	w.handOver(worker, i, file, 0, len(content))
	time.Sleep(3 * patience) // what must not happen has no sign
	release()
	reply, body := w.read(bufio.NewReader(c))
	if reply.StatusCode != 200 || body != string(content) {
		t.Fatalf("got %v with %d bytes", reply, len(body))
	}
	closedAgain(t, file)
}
