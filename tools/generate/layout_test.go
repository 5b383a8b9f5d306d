package main

import (
	"slices"
	"strings"
	"testing"
)

const smallLayout = `
# a comment
const HomeSize 16384 bytes of a home block
enum StateFree 0 nobody's
struct Slot 64 one request
State u64 atomic the state
Flags u8 bits
BodyLen u64 bytes
@40
RemoteAddr u8*16 text
`

func TestFieldsAreAlignedAndStructsFilledUp(t *testing.T) {
	l, err := parseLayout(smallLayout)
	if err != nil {
		t.Fatal(err)
	}
	var offsets []int
	for _, f := range l.structs[0].fields {
		if f.name != "" {
			offsets = append(offsets, f.offset)
		}
	}
	if want := []int{0, 8, 16, 40}; !slices.Equal(offsets, want) {
		t.Errorf("offsets %v, want %v", offsets, want)
	}
	last := l.structs[0].fields[len(l.structs[0].fields)-1]
	if last.offset+last.bytes != 64 {
		t.Errorf("fields end at %d, want 64", last.offset+last.bytes)
	}
}

func TestBothLanguagesAreGivenTheSameLayout(t *testing.T) {
	l, err := parseLayout(smallLayout)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"#define SPEY_HOME_SIZE 16384", "SPEY_STATE_FREE = 0,", "_Atomic uint64_t state;",
		"uint8_t remote_addr[16];", "offsetof(struct spey_slot, body_len) == 16", "sizeof(struct spey_slot) == 64"} {
		if !strings.Contains(layoutC(l), want) {
			t.Errorf("the header lacks %q", want)
		}
	}
	for _, want := range []string{"HomeSize = 16384", "StateFree = 0", "RemoteAddr [16]uint8",
		"_ [16]byte = [unsafe.Offsetof(Slot{}.BodyLen)]byte{}", "_ [64]byte = [unsafe.Sizeof(Slot{})]byte{}"} {
		if !strings.Contains(layoutGo(l), want) {
			t.Errorf("the Go file lacks %q", want)
		}
	}
}

func TestBadLayoutNamesTheLine(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"const A x doc", "line 1: const A"},
		{"struct S 8 doc\nA u64 a\nB u8 b\nstruct T 8 doc", "line 4: struct S: the fields reach offset 9, past 8"},
		{"struct S 8 doc\nA u64 a\n@4", "line 3: the fields reach offset 8, past 4"},
		{"struct S 8 doc\nA u128 a", `line 2: A: no type "u128"`},
		{"struct S 8 doc\nA u8 a\nA u8 a", "line 3: struct S has A twice"},
		{"struct S 8 doc\nA u8*0 a", "line 2: A: \"0\" is no array length"},
		{"struct S 8 doc\nA u16 atomic a", "line 2: A: an atomic word has 4 or 8 bytes"},
		{"A u64 a", "line 1: A: neither"},
		{"const A 1 a\nenum A 2 a", "line 2: A is there twice"},
	} {
		if _, err := parseLayout(c.text); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: error %v, want %q", c.text, err, c.want)
		}
	}
}

func TestAcronymsStayOneWord(t *testing.T) {
	for name, want := range map[string]string{"RequestID": "request_id", "FlagHTTPS": "flag_https", "URLPath": "url_path", "HeadLen": "head_len"} {
		if got := snake(name); got != want {
			t.Errorf("snake(%s) = %s, want %s", name, got, want)
		}
	}
}
