package directory

import (
	"net/url"
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
)

// codeRedirectURI is the error of RFC 7591 §3.2.2.
const codeRedirectURI = "invalid_redirect_uri"

// checkRedirectURI refuses what a browser could be talked into running, what is not exact, and what leaves the machine in clear
// (RFC 6749 §3.1.2, RFC 8252 §7, RFC 9700 §4.1). It returns "" for a good one.
func checkRedirectURI(uri string, native bool) string {
	u, err := url.Parse(uri)
	switch {
	case uri == "" || err != nil || len(uri) > 2000 || !visible(uri):
		return "want an absolute URI"
	case strings.ContainsAny(uri, "*"):
		return "is compared as it is written: it has no place for *"
	case strings.Contains(uri, "#"):
		return "a redirect URI has no fragment (RFC 6749 §3.1.2)"
	case strings.ContainsAny(uri, `\"<>^`+"`{|}") || dotted(u.EscapedPath()):
		return "has characters or segments that programs read differently"
	case u.User != nil:
		return "must not name a user"
	}
	switch u.Scheme {
	case "https":
		if u.Hostname() == "" || u.Opaque != "" {
			return "want a host"
		}
		return ""
	case "http":
		if u.Opaque == "" && loopback(u.Hostname()) {
			return ""
		}
		return "plain http is for 127.0.0.1, [::1] and localhost"
	}
	if native && strings.Contains(u.Scheme, ".") && strings.HasPrefix(uri, u.Scheme+":/") { // RFC 8252 §7.1: a domain that one holds, reversed
		return ""
	}
	if native {
		return "want https, http on loopback, or a scheme such as com.example.app:/callback"
	}
	return "want https, or http on loopback (other schemes are for applicationType native)"
}

// checkOrigin wants what a browser sends as Origin, exactly.
func checkOrigin(origin string) string {
	u, err := url.Parse(origin)
	if err != nil || !visible(origin) || u.Host == "" || origin != strings.ToLower(u.Scheme+"://"+u.Host) ||
		u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())) || strings.ContainsAny(origin, "*@") {
		return "want an origin such as https://app.example"
	}
	return ""
}

func loopback(host string) bool { return host == "127.0.0.1" || host == "::1" || host == "localhost" }

func visible(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r <= 0x20 || r >= 0x7f })
}

// dotted reports whether a path has a segment that some programs resolve.
func dotted(path string) bool {
	for s := range strings.SplitSeq(strings.ToLower(path), "/") {
		switch strings.ReplaceAll(s, "%2e", ".") {
		case ".", "..":
			return true
		}
	}
	return strings.Contains(strings.ToLower(path), "%2f") || strings.Contains(strings.ToLower(path), "%5c")
}

func checkURIs(f *faults, spec *apiv1.ClientSpec) {
	native := spec.ApplicationType == "native"
	list := func(path string, uris []string, check func(string) string, code string) {
		if len(uris) > 100 {
			f.refuse(code, path, "%d are more than 100", len(uris))
		}
		seen := make(map[string]bool, len(uris))
		for i, uri := range uris {
			if fault := check(uri); fault != "" {
				f.refuse(code, at(path, i), "%.120q: %s", uri, fault)
			} else if seen[uri] {
				f.refuse(code, at(path, i), "%.120q is in the list already", uri)
			}
			seen[uri] = true
		}
	}
	redirect := func(uri string) string { return checkRedirectURI(uri, native) }
	list("redirect_uris", spec.RedirectURIs, redirect, codeRedirectURI)
	list("post_logout_redirect_uris", spec.PostLogoutRedirectURIs, redirect, codeRedirectURI)
	list("allowed_origins", spec.AllowedOrigins, checkOrigin, "invalid")
	if uri := spec.BackchannelLogoutURI; uri != "" {
		if fault := checkRedirectURI(uri, false); fault != "" {
			f.add("backchannel_logout_uri", "%.120q: %s", uri, fault)
		}
	}
}
