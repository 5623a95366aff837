package web

import (
	"crypto/sha256"
	"encoding/base64"
)

// sumSize is the size of the checksum of a page token. It keeps a token of one list, and a damaged one, from being taken for a
// place in another; a place is no secret and no right.
const sumSize = 6

func pageSum(list, place string) string {
	sum := sha256.Sum256([]byte(list + "\x00" + place))
	return string(sum[:sumSize])
}

// Place opens a page token of a list.
func Place(list, token string) (string, error) {
	if token == "" {
		return "", nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || len(raw) <= sumSize || string(raw[:sumSize]) != pageSum(list, string(raw[sumSize:])) {
		return "", malformed("page_token: not one that this list has given")
	}
	return string(raw[sumSize:]), nil
}

// PageToken seals a place in a list, "" for the end.
func PageToken(list, place string) string {
	if place == "" {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString([]byte(pageSum(list, place) + place))
}
