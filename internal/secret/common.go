package secret

import (
	_ "embed"
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/gatehouse-id/gatehouse/internal/iam"
)

// MinPassword is the least number of characters of a new password. Length is what counts (NIST SP 800-63B-4 §3.1.1.2): no kind of
// character is asked for.
const MinPassword = 12

var (
	errShort    = iam.Refuse(iam.Invalid, "weak_password", "a password has at least %d characters: several words are easier to remember than signs", MinPassword)
	errLong     = iam.Refuse(iam.Invalid, "weak_password", "a password has at most %d bytes", MaxLength)
	errCommon   = iam.Refuse(iam.Invalid, "weak_password", "this password is among those that are tried first: take one that is not made of a well-known word, a name or a row of keys")
	errOwnName  = iam.Refuse(iam.Invalid, "weak_password", "a password must not be made of your user name or address")
	errEncoding = iam.Refuse(iam.Invalid, "weak_password", "a password is text in UTF-8")
)

// CheckPassword says whether a person may have this password from now on: long enough, not what is guessed first, and not made of the
// user's name or address. Its error is iam.Invalid with the code weak_password and does not repeat the password.
func CheckPassword(password string, names ...string) error {
	switch {
	case len(password) > MaxLength:
		return errLong
	case !utf8.ValidString(password):
		return errEncoding
	case utf8.RuneCountInString(norm.NFC.String(password)) < MinPassword:
		return errShort
	}
	folded := strings.ToLower(norm.NFKC.String(password))
	if monotone(folded) {
		return errCommon
	}
	// As written, and with the signs that stand for letters read as these, but for those that were only put before or behind.
	core := strings.TrimFunc(folded, func(r rune) bool { return !unicode.IsLetter(r) })
	for _, text := range []string{letters(folded), letters(unleet.Replace(folded)), letters(unleet.Replace(core))} {
		if wordsAlone(text, commonWords(), 2) {
			return errCommon
		}
	}
	for _, name := range names {
		local, _, _ := strings.Cut(strings.ToLower(name), "@")
		for _, own := range []string{strings.ToLower(name), local} {
			if own != "" && (folded == own || len(letters(own)) >= 3 && letters(folded) == letters(own)) {
				return errOwnName
			}
		}
	}
	return nil
}

// unleet reads the signs that people put for letters. 1 is an i in most words that are guessed.
var unleet = strings.NewReplacer("0", "o", "1", "i", "3", "e", "4", "a", "5", "s", "7", "t", "@", "a", "$", "s", "!", "i")

func letters(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) {
			return r
		}
		return -1
	}, s)
}

// wordsAlone reports whether text is nothing but common words, at most so many different ones, each as often as one likes.
func wordsAlone(text string, words map[string]bool, most int) bool {
	var used []string
	var walk func(rest string) bool
	walk = func(rest string) bool {
		if rest == "" {
			return true
		}
		for n := min(len(rest), longestWord); n >= shortestWord; n-- {
			word := rest[:n]
			if !words[word] {
				continue
			}
			before := len(used)
			if !slices.Contains(used, word) {
				if before == most {
					continue
				}
				used = append(used, word)
			}
			if walk(rest[n:]) {
				return true
			}
			used = used[:before]
		}
		return false
	}
	return text != "" && len(text) <= 8*longestWord && walk(text) // nobody tries first what is longer
}

// rows are what a finger or a child runs along.
var rows = []string{
	"abcdefghijklmnopqrstuvwxyz", "01234567890", "qwertyuiop", "asdfghjkl", "zxcvbnm", "qwertzuiop", "yxcvbnm", "azertyuiop", "qsdfghjklm",
	"1qaz2wsx3edc4rfv5tgb6yhn7ujm", "qazwsxedcrfvtgbyhnujm", "1q2w3e4r5t6y7u8i9o0p", "q1w2e3r4t5y6u7i8o9p0", "!@#$%^&*()",
}

// monotone reports whether a password has fewer than five different characters, repeats something short, or is made of rows of keys.
func monotone(s string) bool {
	seen := make(map[rune]bool)
	for _, r := range s {
		seen[r] = true
	}
	if len(seen) < 5 {
		return true
	}
	for n := 1; n <= 4 && n < len(s); n++ {
		if strings.HasPrefix(strings.Repeat(s[:n], len(s)/n+1), s) {
			return true
		}
	}
	// What is left when every run of four or more along a row, in either direction, is taken as one character.
	left := 0
	for rest := s; rest != ""; left++ {
		run := 0
		for _, row := range rows {
			run = max(run, common(rest, row), common(rest, reverse(row)))
		}
		if run < 4 {
			_, run = utf8.DecodeRuneInString(rest)
		}
		rest = rest[run:]
	}
	return left <= 4
}

// common returns the length of the longest beginning of s that lies somewhere in row.
func common(s, row string) int {
	n := 0
	for n < len(s) && n < len(row) && strings.Contains(row, s[:n+1]) {
		n++
	}
	return n
}

func reverse(s string) string {
	b := []byte(s)
	for i, j := 0, len(b)-1; i < j; i, j = i+1, j-1 {
		b[i], b[j] = b[j], b[i]
	}
	return string(b)
}

// common.txt is what the passwords are made of that lists of leaked ones begin with, one word in lower case each. With the digits, the
// signs and the doublings that CheckPassword looks through, each stands for thousands.
//
//go:embed common.txt
var commonText string

const shortestWord, longestWord = 3, 16

var commonWords = sync.OnceValue(func() map[string]bool {
	words := make(map[string]bool)
	for _, w := range strings.Fields(commonText) {
		words[w] = true
	}
	return words
})
