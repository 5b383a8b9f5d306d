// Package authority is the grammar of a host with a port, as it stands in a Host field, in a request target, and in what a
// proxy says of either: one rule for all of them.
//
// Callers need [Valid], and [Split] for what is valid. The package resolves no name.
package authority

// What a byte may be, as bits of class.
const (
	isHost    = 1 << iota // unreserved or sub-delims, RFC 3986 3.2.2, without the percent sign
	isLiteral             // within the brackets of an IP literal
	isHex
)

// class is immutable after it is made.
var class = makeClass()

func makeClass() (t [256]uint8) {
	const (
		digits   = "0123456789"
		letters  = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
		subDelim = "!$&'()*+,;="
	)
	set := func(chars string, bit uint8) {
		for i := range len(chars) {
			t[chars[i]] |= bit
		}
	}
	set("-._~"+subDelim+digits+letters, isHost)
	set(":-._~"+subDelim+digits+letters, isLiteral)
	set(digits+"abcdefABCDEF", isHex)
	return t
}

// Valid reads uri-host [ ":" port ] (RFC 9110 4.2, RFC 3986 3.2.2). User information is refused (RFC 9110 4.2.4),
// and so is a port without a host.
func Valid(s []byte) bool {
	i := hostLen(s)
	if i == 0 {
		return false
	}
	if i < len(s) && s[i] == ':' {
		for i++; i < len(s) && s[i]-'0' <= 9; {
			i++
		}
	}
	return i == len(s)
}

// Split returns the host of what is valid, with the brackets of an IP literal, and the digits of its port.
func Split(s []byte) (host, port []byte) {
	i := hostLen(s)
	if i < len(s) {
		return s[:i], s[i+1:]
	}
	return s, nil
}

// hostLen is the length of the host that s begins with; 0: none.
func hostLen(s []byte) int {
	i := 0
	if len(s) > 0 && s[0] == '[' {
		for i = 1; i < len(s) && class[s[i]]&isLiteral != 0; {
			i++
		}
		if i < 3 || i == len(s) || s[i] != ']' { // "[]" or no end
			return 0
		}
		return i + 1
	}
	for i < len(s) && class[s[i]]&isHost != 0 || escape(s, i) {
		i++
	}
	return i
}

// escape says whether a percent sign at s[i] has its two digits.
func escape(s []byte, i int) bool {
	return i+2 < len(s) && s[i] == '%' && class[s[i+1]]&class[s[i+2]]&isHex != 0
}
