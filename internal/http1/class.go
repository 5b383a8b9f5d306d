package http1

// What a byte may be, as bits of class.
const (
	isToken      = 1 << iota // tchar, RFC 9110 5.6.2
	isUnderscore             // a tchar that makes a field name ambiguous once it is an environ key
	isTarget                 // part of a request target that needs no second look
	isValue                  // field-vchar, SP or HTAB, RFC 9110 5.5
	isHex
)

const (
	digits  = "0123456789"
	letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	hexadec = digits + "abcdefABCDEF"
)

// class is immutable after it is made.
var class = makeClass()

func makeClass() (t [256]uint8) {
	set := func(chars string, bit uint8) {
		for i := range len(chars) {
			t[chars[i]] |= bit
		}
	}
	set("!#$%&'*+-.^_`|~"+digits+letters, isToken)
	set("_", isUnderscore)
	set(hexadec, isHex)
	for c := range 256 {
		if c >= ' ' && c != 0x7f || c == '\t' {
			t[c] |= isValue
		}
		if c > ' ' && c != 0x7f && c != '?' && c != '%' && c != '#' {
			t[c] |= isTarget
		}
	}
	return t
}

// sameFold says whether b is the lower-case word, in any case. Setting bit 5 can make a match only of control
// characters beside the letters, and those never reach this function.
func sameFold(b []byte, word string) bool {
	if len(b) != len(word) {
		return false
	}
	for i := range b {
		if b[i]|0x20 != word[i] {
			return false
		}
	}
	return true
}

// trim returns b without spaces and tabs at both ends (OWS, RFC 9110 5.6.3).
func trim(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	for len(b) > 0 && (b[len(b)-1] == ' ' || b[len(b)-1] == '\t') {
		b = b[:len(b)-1]
	}
	return b
}

// member cuts the first member off a comma-separated list.
func member(list []byte) (first, rest []byte, more bool) {
	for i, c := range list {
		if c == ',' {
			return trim(list[:i]), list[i+1:], true
		}
	}
	return trim(list), nil, false
}
