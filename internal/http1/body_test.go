package http1

import (
	"testing"

	"speyside.dev/speyside/internal/wire"
)

func TestRequestWithoutBodyIsDoneWithoutInput(t *testing.T) {
	var b Body
	for _, h := range []wire.Head{{ContentLength: -1}, {ContentLength: 0}} {
		b.Reset(&h)
		data, n, done, err := b.Decode([]byte("GET "))
		if data != nil || n != 0 || !done || err != nil {
			t.Errorf("got %q, %d, %v, %v", data, n, done, err)
		}
		if length, known := b.Length(); length != 0 || !known {
			t.Errorf("length is %d, %v", length, known)
		}
	}
}

func TestBodyOfKnownLengthEndsWithIt(t *testing.T) {
	var b Body
	b.Reset(&wire.Head{ContentLength: 5})
	if length, known := b.Length(); length != 5 || !known {
		t.Errorf("length is %d, %v", length, known)
	}
	if data, n, done, _ := b.Decode([]byte("hel")); string(data) != "hel" || n != 3 || done {
		t.Errorf("first part: %q, %d, %v", data, n, done)
	}
	if _, n, done, _ := b.Decode(nil); n != 0 || done {
		t.Errorf("nothing: %d, %v", n, done)
	}
	if data, n, done, _ := b.Decode([]byte("loGET ")); string(data) != "lo" || n != 2 || !done || cap(data) != 2 {
		t.Errorf("second part: %q, %d, %v", data, n, done)
	}
}

func TestChunkComesOutWithItsFraming(t *testing.T) {
	var b Body
	b.Reset(&wire.Head{Chunked: true, ContentLength: -1})
	if _, known := b.Length(); known {
		t.Error("length is known")
	}
	in := []byte("5\r\nhello\r\n0\r\n\r\nGET ")
	data, n, done, err := b.Decode(in)
	if string(data) != "hello" || n != 8 || done || err != nil {
		t.Errorf("first: %q, %d, %v, %v", data, n, done, err)
	}
	data, n, done, err = b.Decode(in[n:])
	if len(data) != 0 || n != 7 || !done || err != nil {
		t.Errorf("second: %q, %d, %v, %v", data, n, done, err)
	}
	if _, n, done, _ := b.Decode(in[15:]); n != 0 || !done {
		t.Errorf("after its end: %d, %v", n, done)
	}
}

func TestHexDigitsHaveTheirValues(t *testing.T) {
	for i, c := range []byte("0123456789abcdef") {
		if digit(c) != byte(i) {
			t.Errorf("%c is %d", c, digit(c))
		}
	}
	for i, c := range []byte("ABCDEF") {
		if digit(c) != byte(i+10) {
			t.Errorf("%c is %d", c, digit(c))
		}
	}
}

func BenchmarkChunked(b *testing.B) {
	in := append(append([]byte("4000\r\n"), make([]byte, 0x4000)...), "\r\n0\r\n\r\n"...)
	head := wire.Head{Chunked: true}
	var body Body
	b.ReportAllocs()
	for b.Loop() {
		body.Reset(&head)
		for rest, done := in, false; !done; {
			var n int
			_, n, done, _ = body.Decode(rest)
			rest = rest[n:]
		}
	}
}
