package config

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strings"
)

// A Store names the storage engine and where it is: bolt:PATH or a Redis URL, which the engine parses. A password in it is
// left out however it is printed; string(s) has it.
type Store string

// Path returns the file of an embedded store.
func (s Store) Path() (path string, embedded bool) { return strings.CutPrefix(string(s), "bolt:") }

// String returns s without its passwords.
func (s Store) String() string {
	scheme, rest, ok := strings.Cut(string(s), "://")
	if !ok {
		return string(s)
	}
	// The last @ ends the user, whatever else a password may hold that should have been percent-encoded.
	user, hosts := "", rest
	if at := strings.LastIndexByte(rest, '@'); at >= 0 {
		name, _, _ := strings.Cut(rest[:at], ":")
		user, hosts = name+":"+redacted+"@", rest[at+1:]
	}
	hosts, query, hasQuery := strings.Cut(hosts, "?")
	if hasQuery {
		parameters := strings.Split(query, "&")
		for i, p := range parameters {
			if name, _, _ := strings.Cut(p, "="); strings.Contains(strings.ToLower(name), "pass") {
				parameters[i] = name + "=" + redacted
			}
		}
		hosts += "?" + strings.Join(parameters, "&")
	}
	return scheme + "://" + user + hosts
}

// Format prints String whatever the verb.
func (s Store) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// LogValue logs String.
func (s Store) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText returns String, which is what JSON and YAML then hold.
func (s Store) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

const redacted = "[redacted]"

func (s Store) hasPassword() bool { return strings.Contains(s.String(), redacted) }

// fault says what is wrong with s as far as it can be told without the engine, "" if nothing.
func (s Store) fault() string {
	if path, embedded := s.Path(); embedded {
		if path == "" {
			return "has no path"
		}
		return ""
	}
	scheme, rest, _ := strings.Cut(string(s), "://")
	switch scheme {
	case "redis", "rediss", "redis+sentinel", "rediss+sentinel", "redis+cluster", "rediss+cluster":
	default:
		return "is of no known kind"
	}
	if hostsOf(rest) == "" {
		return "has no host"
	}
	return ""
}

// exposed reports whether a password would cross a network in clear.
func (s Store) exposed() bool {
	scheme, rest, _ := strings.Cut(string(s), "://")
	if !s.hasPassword() || strings.HasPrefix(scheme, "rediss") {
		return false
	}
	for host := range strings.SplitSeq(hostsOf(rest), ",") {
		if name, _, err := net.SplitHostPort(host); err == nil {
			host = name
		}
		if !isLoopback(host) {
			return true
		}
	}
	return false
}

func hostsOf(rest string) string {
	rest = rest[strings.LastIndexByte(rest, '@')+1:]
	if end := strings.IndexAny(rest, "/?"); end >= 0 {
		rest = rest[:end]
	}
	return rest
}

func isLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && ip.IsLoopback()
}
