package iam

import "strings"

// MaxName is the longest name, in bytes, of a node, user, group, client, audience or secret.
const MaxName = 63

// CheckName refuses a name that could not stand in a URL, a key, a YAML reference or a terminal without quoting:
// it wants lower-case letters, digits, '.', '_' and '-', and a letter or digit first.
func CheckName(what, name string) error {
	ok := name != "" && len(name) <= MaxName && !strings.ContainsRune("._-", rune(name[0]))
	for i := range len(name) {
		ok = ok && strings.IndexByte("abcdefghijklmnopqrstuvwxyz0123456789._-", name[i]) >= 0
	}
	if !ok {
		return Errorf(Invalid, "%s %q: want 1 to %d of a-z 0-9 . _ - and a letter or digit first", what, name, MaxName)
	}
	return nil
}

// userIDPrefix begins every UserID that NewID makes for a user. RFC 9068 §5: no client may have a user's sub.
const userIDPrefix = "u_"

// CheckClientID refuses a client_id that would need quoting in a form, a Basic header or a key.
func CheckClientID(id ClientID) error {
	for i := range len(id) {
		c := id[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_', c == '.', c == '~', c == '@':
		default:
			return Errorf(Invalid, "client id %q: want letters, digits and - _ . ~ @", string(id))
		}
	}
	if strings.HasPrefix(string(id), userIDPrefix) {
		return Errorf(Invalid, "client id %q: must not begin like a user's id (%s): an API that reads sub alone would take one for the other", string(id), userIDPrefix)
	}
	if c := string(id[:min(len(id), 1)]); c != "" && strings.Contains("-_.~@", c) {
		return Errorf(Invalid, "client id %q: want a letter or digit first", string(id))
	}
	if id == "" || len(id) > 128 {
		return Errorf(Invalid, "client id: want 1 to 128 characters, got %d", len(id))
	}
	return nil
}
