package authserver

import (
	"crypto/rand"
	"strings"
)

// A user code is what a person reads from a device and enters in a browser (RFC 8628 §6.1): eight letters that are hard to confuse, of
// which no vowels make a word, so 20^8 codes, shown as XXXX-XXXX.
const (
	userCodeLetters = "BCDFGHJKLMNPQRSTVWXZ"
	userCodeLength  = 8
)

// newUserCode draws a code, as it is shown.
func newUserCode() string {
	code := make([]byte, 0, userCodeLength)
	for len(code) < userCodeLength {
		var random [16]byte
		rand.Read(random[:])
		for _, b := range random {
			// 240 is the largest multiple of 20 that a byte holds: each letter is as likely as any other.
			if b < 240 && len(code) < userCodeLength {
				code = append(code, userCodeLetters[b%20])
			}
		}
	}
	return showUserCode(string(code))
}

func showUserCode(code string) string {
	return code[:userCodeLength/2] + "-" + code[userCodeLength/2:]
}

// readUserCode returns the code that somebody has typed, as it is shown: in whatever case, with whatever spaces and dashes. It reports
// false when it can be none of ours.
func readUserCode(typed string) (string, bool) {
	code := make([]byte, 0, userCodeLength)
	for _, c := range strings.ToUpper(typed) {
		switch {
		case c == ' ' || c == '-' || c == '\t' || c == '\u00a0' || '\u2010' <= c && c <= '\u2015':
		case c < 0x80 && strings.IndexByte(userCodeLetters, byte(c)) >= 0 && len(code) < userCodeLength:
			code = append(code, byte(c))
		default:
			return "", false
		}
	}
	if len(code) != userCodeLength {
		return "", false
	}
	return showUserCode(string(code)), true
}
