package authserver

import (
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/iam"
)

// registered reports whether a client has registered a redirect URI: the very same string (RFC 9700 §4.1.3), or, for an address of
// the loopback interface, the same but for the port, which a native application learns when it listens (RFC 8252 §7.3).
func registered(client *iam.Client, uri string) bool {
	if slices.Contains(client.RedirectURIs, uri) {
		return true
	}
	host, rest, ok := loopbackURI(uri)
	return ok && slices.ContainsFunc(client.RedirectURIs, func(r string) bool {
		h, at, ok := loopbackURI(r)
		return ok && h == host && at == rest
	})
}

// loopbackURI splits http://127.0.0.1:port/rest, or the same with [::1], into its host and what follows the port. It goes by the
// characters: a parser would take spellings for the same that programs read differently.
func loopbackURI(uri string) (host, rest string, ok bool) {
	for _, host := range []string{"http://127.0.0.1", "http://[::1]"} {
		rest, ok := strings.CutPrefix(uri, host)
		if !ok {
			continue
		}
		if port, found := strings.CutPrefix(rest, ":"); found {
			digits := len(port) - len(strings.TrimLeft(port, "0123456789"))
			if n, err := strconv.ParseUint(port[:digits], 10, 16); err != nil || n == 0 {
				return "", "", false
			}
			rest = port[digits:]
		}
		if rest == "" || rest[0] == '/' || rest[0] == '?' {
			return host, rest, true
		}
	}
	return "", "", false
}

// leaves is the source expression, for the form-action of a page, of where a redirect URI leads: its origin, or its scheme where the
// language of policies has no word for the host (CSP3 §2.3.1 knows no IPv6 address and no application).
func leaves(uri string) string {
	u, err := url.Parse(uri)
	if err != nil {
		return "" // it was checked when it was registered
	}
	plain := u.Host != "" && !strings.ContainsFunc(u.Host, func(r rune) bool {
		return !unreservedInHost(r)
	})
	if !plain || u.Scheme != "https" && u.Scheme != "http" {
		return u.Scheme + ":"
	}
	return u.Scheme + "://" + u.Host
}

func unreservedInHost(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '-' || r == '.' || r == ':'
}
