package http1

import (
	"testing"

	"speyside.dev/speyside/internal/wire"
)

func TestUnderscoresAreDroppedRefusedOrKeptAsTheOperatorSays(t *testing.T) {
	head := []byte("GET / HTTP/1.1\r\nHost: a\r\nX_User: root\r\nContent_Length: 5\r\nTransfer_Encoding: chunked\r\n\r\n")
	for _, c := range []struct {
		rule            Underscores
		err             *Error
		fields, dropped int
	}{
		{DropUnderscores, nil, 1, 3},
		{RefuseUnderscores, ErrUnderscore, 0, 0},
		{KeepUnderscores, nil, 4, 0},
	} {
		h := wire.Head{Fields: make([]wire.Field, 0, 10)}
		var p Parser
		_, err := p.Parse(head, &Limits{Underscores: c.rule}, &h)
		if err != c.err {
			t.Errorf("rule %d: %v", c.rule, err)
		}
		if err == nil && (len(h.Fields) != c.fields || h.Dropped != c.dropped) {
			t.Errorf("rule %d: %d fields, %d dropped", c.rule, len(h.Fields), h.Dropped)
		}
		if h.ContentLength != -1 || h.Chunked {
			t.Errorf("rule %d: a name with an underscore frames the body", c.rule)
		}
	}
	h := wire.Head{Fields: make([]wire.Field, 0, 10)}
	var p Parser
	if _, err := p.Parse(head, &Limits{}, &h); err != nil || string(h.DroppedName.Of(head)) != "Transfer_Encoding" {
		t.Errorf("the last name dropped is %q, %v", h.DroppedName.Of(head), err)
	}
}

func TestNamesThatAreKeptAreUnderNoRule(t *testing.T) {
	head := []byte("GET / HTTP/1.1\r\nHost: a\r\nScript_Name: /a\r\nContent_Length: 5\r\n\r\n")
	for _, c := range []struct {
		kept   []string
		rule   Underscores
		err    *Error
		fields int
	}{
		{[]string{"SCRIPT_NAME"}, DropUnderscores, nil, 2},
		{[]string{"SCRIPT_NAME"}, RefuseUnderscores, ErrUnderscore, 0},
		{[]string{"SCRIPT_NAME", "CONTENT_LENGTH"}, RefuseUnderscores, nil, 3},
		{[]string{"*"}, RefuseUnderscores, nil, 3},
		{[]string{"SCRIPT-NAME", "SCRIPT_NAM"}, DropUnderscores, nil, 1},
	} {
		h := wire.Head{Fields: make([]wire.Field, 0, 10)}
		var p Parser
		_, err := p.Parse(head, &Limits{Underscores: c.rule, Kept: c.kept}, &h)
		if err != c.err || err == nil && len(h.Fields) != c.fields || h.ContentLength != -1 {
			t.Errorf("%v, rule %d: %v, %d fields, length %d", c.kept, c.rule, err, len(h.Fields), h.ContentLength)
		}
	}
}

func TestNamesOfAHeadAreThoseOfItsFields(t *testing.T) {
	head := []byte("GET / HTTP/1.1\r\nHost: a\r\nX-A: 1\r\nX_Dropped: 1\r\nHOST-B: 1\r\n\r\n")
	h := wire.Head{Fields: make([]wire.Field, 0, 10)}
	var p Parser
	if _, err := p.Parse(head, &Limits{}, &h); err != nil {
		t.Fatal(err)
	}
	want := uint64(0)
	for _, f := range h.Fields {
		want |= wire.NameBit(f.Name.Of(head))
	}
	if h.Names != want || want&wire.NameBit([]byte("x-a")) == 0 {
		t.Errorf("names are %x instead of %x", h.Names, want)
	}
}
