package http1

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"speyside.dev/speyside/internal/wire"
)

const hello = "GET / HTTP/1.1\r\nHost: 127.0.0.1:5000\r\n\r\n"

const browser = "GET /shop/items?page=2 HTTP/1.1\r\nHost: shop.example.com\r\nConnection: keep-alive\r\n" +
	"sec-ch-ua: \"Chromium\";v=\"126\", \"Not/A)Brand\";v=\"8\"\r\nsec-ch-ua-mobile: ?0\r\nUpgrade-Insecure-Requests: 1\r\n" +
	"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36\r\n" +
	"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\n" +
	"Sec-Fetch-Site: same-origin\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-User: ?1\r\nSec-Fetch-Dest: document\r\n" +
	"Referer: https://shop.example.com/shop/items?page=1\r\nAccept-Encoding: gzip, deflate, br, zstd\r\n" +
	"Accept-Language: en-GB,en;q=0.9,de;q=0.8\r\n" +
	"Cookie: sessionid=0123456789abcdef0123456789abcdef; csrftoken=abcdefghijklmnopqrstuvwxyz0123456789ABCDEF\r\n\r\n"

// parse reads a whole head.
func parse(head string, limits Limits, fields int) (*wire.Head, int, *Error) {
	var p Parser
	h := &wire.Head{Fields: make([]wire.Field, 0, fields)}
	n, err := p.Parse([]byte(head), &limits, h)
	return h, n, err
}

func TestZeroLimitsLeaveOnlyTheLongestHead(t *testing.T) {
	line := "GET /" + strings.Repeat("a", 30_000) + " HTTP/1.0\r\n"
	fields := strings.Repeat("X: y\r\n", 500) + "Y: " + strings.Repeat("z", 30_000) + "\r\n"
	head := line + fields + "\r\n"
	if _, n, err := parse(head, Limits{}, 501); n != len(head) || err != nil {
		t.Errorf("got %d, %v", n, err)
	}
}

func TestHeadMayBeExactlyAsLongAsOffsetsReach(t *testing.T) {
	start := "GET / HTTP/1.0\r\nX: "
	fill := wire.MaxHead - len(start) - len("\r\n\r\n")
	for extra, want := range []*Error{nil, ErrHeadLong, ErrHeadLong, ErrHeadLong, ErrHeadLong} {
		head := start + strings.Repeat("x", fill+extra) + "\r\n\r\n"
		_, n, err := parse(head, Limits{}, 10)
		if err != want || err == nil && n != wire.MaxHead {
			t.Errorf("%d bytes: got %d, %v", len(head), n, err)
		}
	}
	many := "GET / HTTP/1.0\r\n" + strings.Repeat("X: y\r\n", wire.MaxHead/6)
	if _, _, err := parse(many, Limits{}, 1<<16); err != ErrHeadLong {
		t.Errorf("many fields: got %v", err)
	}
}

func TestFieldsBeyondTheirRoomAreRefused(t *testing.T) {
	head := "GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\nY_: 2\r\nZ: 3\r\n\r\n"
	if h, _, err := parse(head, Limits{}, 3); err != nil || len(h.Fields) != 3 || h.Dropped != 1 {
		t.Errorf("room for three: %v", err)
	}
	if _, _, err := parse(head, Limits{}, 2); err != ErrTooManyFields {
		t.Errorf("room for two: %v", err)
	}
	if _, _, err := parse(head, Limits{Fields: 3}, 10); err != ErrTooManyFields {
		t.Errorf("limit of three: %v", err)
	}
	if _, _, err := parse(head, Limits{Fields: 4}, 10); err != nil {
		t.Errorf("limit of four: %v", err)
	}
}

func TestFieldsMayMoveToMoreRoomBetweenCalls(t *testing.T) {
	var p Parser
	h := wire.Head{Fields: make([]wire.Field, 0, 2)}
	cut := strings.Index(browser, "sec-ch-ua:")
	if n, err := p.Parse([]byte(browser[:cut]), &usual, &h); n != 0 || err != nil {
		t.Fatalf("first part: %d, %v", n, err)
	}
	moved := h
	moved.Fields = append(make([]wire.Field, 0, 100), h.Fields...)
	clear(h.Fields)
	n, err := p.Parse([]byte(browser), &usual, &moved)
	whole, _, _ := parse(browser, usual, 100)
	if n != len(browser) || err != nil || len(moved.Fields) != len(whole.Fields) {
		t.Fatalf("second part: %d, %v", n, err)
	}
	for i, f := range moved.Fields {
		if f != whole.Fields[i] {
			t.Errorf("field %d is %v, want %v", i, f, whole.Fields[i])
		}
	}
}

func TestParserStopsAtTheEndOfTheHead(t *testing.T) {
	if _, n, err := parse(hello+"\x00garbage", usual, 10); n != len(hello) || err != nil {
		t.Errorf("got %d, %v", n, err)
	}
}

func TestResetForgetsEverything(t *testing.T) {
	var p Parser
	h := wire.Head{Fields: make([]wire.Field, 0, 10)}
	for _, head := range []string{
		"POST http://b/%41 HTTP/1.0\r\nHost: a\r\nX_: 1\r\nX: 1\r\nX: 2\r\nConnection: close\r\nContent-Length: 3\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n",
		"HEAD / HTTP/1.1\r\nHost: a\r\n\x00",
		hello,
	} {
		p.Reset()
		p.Parse([]byte(head), &usual, &h)
	}
	fresh, _, _ := parse(hello, usual, 10)
	if len(h.Fields) != 1 || h.Fields[0] != fresh.Fields[0] {
		t.Errorf("fields are %v", h.Fields)
	}
	h.Fields, fresh.Fields = nil, nil
	if got, want := h, *fresh; got.Host != want.Host || got.Dropped != 0 || got.Repeated || got.Escaped || got.Chunked ||
		got.Continue || got.HeadOnly || !got.KeepAlive || got.ContentLength != -1 || got.Query != want.Query {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestRepeatedIsNeverMissed(t *testing.T) {
	names := []string{"A", "b", "Accept", "ACCEPT", "x-a", "X-B", "Cookie", "accept", "X-b"}
	for i, a := range names {
		for j, b := range names {
			head := "GET / HTTP/1.0\r\nFiller: x\r\n" + a + ": 1\r\n" + b + ": 2\r\n\r\n"
			h, _, err := parse(head, usual, 10)
			if err != nil {
				t.Fatal(err)
			}
			if want := strings.EqualFold(names[i], names[j]); h.Repeated != want {
				t.Errorf("%s and %s: repeated is %v", a, b, h.Repeated)
			}
		}
	}
}

func TestRepeatedIsNotMissedAmongManyFields(t *testing.T) {
	head := "GET / HTTP/1.0\r\n"
	for i := range 80 {
		head += "X-" + strconv.Itoa(i*i) + ": y\r\n"
	}
	if h, _, err := parse(head+"x-1: z\r\n\r\n", usual, 100); err != nil || !h.Repeated {
		t.Errorf("repeated is %v, %v", h.Repeated, err)
	}
}

func TestSlowClientCostsNoMoreThanItsBytes(t *testing.T) {
	head := []byte("GET / HTTP/1.0\r\n" + strings.Repeat("Name: "+strings.Repeat("v", 3990)+"\r\n", 16) + "\r\n")
	began := time.Now()
	var p Parser
	h := wire.Head{Fields: make([]wire.Field, 0, 100)}
	for i := range head {
		if n, err := p.Parse(head[:i+1], &usual, &h); n != 0 && i+1 < len(head) || err != nil {
			t.Fatal(n, err)
		}
	}
	if took := time.Since(began); took > 300*time.Millisecond {
		t.Errorf("64 KiB byte by byte took %v", took)
	}
}

func TestControlCharactersAreFoundAtEveryPlace(t *testing.T) {
	for c := range 256 {
		for at := range 24 {
			b := []byte(strings.Repeat("\x80~ z\xff", 5))[:24]
			b[at] = byte(c)
			want := len(b)
			if c < ' ' || c == 0x7f {
				want = at
			}
			if got := control(b, 0, len(b)); got != want {
				t.Fatalf("%#x at %d: found at %d", c, at, got)
			}
		}
	}
}

func TestNothingIsAllocated(t *testing.T) {
	var p Parser
	var b Body
	h := wire.Head{Fields: make([]wire.Field, 0, 100)}
	out := make([]byte, 0, 1024)
	date := []byte("Sun, 06 Nov 1994 08:49:37 GMT")
	reply := Reply{Status: []byte("200 OK"), Code: 200, BodyKnown: true, BodySize: 12}
	chunked := []byte("5;a=b\r\nhello\r\n0\r\nX: y\r\n\r\n")
	for _, c := range corpus(t) {
		if n := testing.AllocsPerRun(10, func() {
			p.Reset()
			p.Parse(c.input, &usual, &h)
		}); n != 0 {
			t.Errorf("%s: %v allocations", c.name, n)
		}
	}
	if n := testing.AllocsPerRun(10, func() {
		b.Reset(&wire.Head{Chunked: true})
		for rest := chunked; ; {
			_, n, done, _ := b.Decode(rest)
			if rest = rest[n:]; done {
				break
			}
		}
	}); n != 0 {
		t.Errorf("chunked body: %v allocations", n)
	}
	if n := testing.AllocsPerRun(10, func() {
		f := Frame(RequestFacts{Minor: 1, KeepAlive: true}, &reply)
		out = AppendHead(out[:0], 1, &reply, f, date, "speyside")
		out = AppendChunkHead(out, 16384)
		out = AppendError(out, 431, "too many fields", date, "speyside", false)
	}); n != 0 {
		t.Errorf("reply: %v allocations", n)
	}
}

func benchmarkHead(b *testing.B, head string) {
	var p Parser
	buf := []byte(head)
	h := wire.Head{Fields: make([]wire.Field, 0, 100)}
	b.SetBytes(int64(len(buf)))
	b.ReportAllocs()
	for b.Loop() {
		p.Reset()
		h.Fields = h.Fields[:0]
		if n, _ := p.Parse(buf, &usual, &h); n != len(buf) {
			b.Fatal(n)
		}
	}
}

func BenchmarkHeadHello(b *testing.B)   { benchmarkHead(b, hello) }
func BenchmarkHeadBrowser(b *testing.B) { benchmarkHead(b, browser) }
