package config

import (
	"crypto/tls"
	"errors"
	"io/fs"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// check finds the faults that lie between values, and those that tags cannot say.
func (l *loader) check() {
	l.checkListeners()
	l.checkIssuer()
	l.checkTLS()
	l.checkStore()
	l.checkKEK()
	l.checkKeys()
	l.checkTokens()
	l.checkMail()
	if l.config.Cache.Lease > 2*time.Second && !l.bad["cache.lease"] {
		l.warn("cache.lease: %s is more than 2s: that long a removed client or role may still get tokens while the store is unreachable",
			formatDuration(l.config.Cache.Lease))
	}
}

func (l *loader) checkListeners() {
	c := l.config
	for _, listener := range []struct{ key, address string }{{"listen", c.Listen}, {"operations.listen", c.Operations.Listen}} {
		if l.bad[listener.key] {
			continue
		}
		host, port, err := net.SplitHostPort(listener.address)
		if _, portErr := strconv.ParseUint(port, 10, 16); err != nil || portErr != nil || strings.ContainsAny(host, " /@") {
			l.fault(listener.key, "%s is no address: want host:port, as in 127.0.0.1:8080 or :8443", quote(listener.address))
		}
	}
	if l.bad["listen"] || l.bad["operations.listen"] {
		return
	}
	if c.Listen == c.Operations.Listen && !strings.HasSuffix(c.Listen, ":0") {
		l.fault("operations.listen", "%s is the public listener's address: want another", c.Operations.Listen)
	}
	if !listensOnLoopback(c.Operations.Listen) {
		l.warn("operations.listen: %s is reachable from other machines and has no authentication: let only probes and the scraper reach it",
			c.Operations.Listen)
	}
	switch {
	case listensOnLoopback(c.Listen):
	case c.Dev:
		l.fault("listen", "%s is beyond loopback, which dev refuses", c.Listen)
	case c.TLS == TLS{} && len(c.TrustedProxies) == 0 && !l.bad["tls.cert"] && !l.bad["tls.key"] && !l.bad["trustedProxies"]:
		l.fault("listen", "%s is plain http beyond loopback: want tls.cert and tls.key, or the trustedProxies that end TLS before it", c.Listen)
	}
}

func listensOnLoopback(address string) bool {
	host, _, _ := net.SplitHostPort(address)
	return isLoopback(host)
}

func (l *loader) checkIssuer() {
	c := l.config
	if l.bad["issuer"] || c.Issuer == "" && c.Dev && l.bad["listen"] {
		return
	}
	if c.Issuer == "" && c.Dev {
		c.Issuer = "http://" + c.Listen
		l.origins["issuer"] = "dev"
	}
	if wrong := issuerFault(c.Issuer); wrong != "" {
		f, _ := l.field("issuer")
		l.fault("issuer", "%s: want %s", wrong, f.limit())
		return
	}
	isHTTP := strings.HasPrefix(c.Issuer, "http:")
	switch {
	case isHTTP && c.TLS != TLS{}:
		l.fault("issuer", "%s is http while tls.cert is set: want https", c.Issuer)
	case isHTTP && !l.bad["listen"] && !listensOnLoopback(c.Listen):
		l.fault("issuer", "%s is http while listen is %s: want https, or listen on loopback", c.Issuer, c.Listen)
	case !isHTTP && c.Dev:
		l.fault("issuer", "%s is not this machine, which dev refuses: want http://localhost or http://127.0.0.1", c.Issuer)
	}
}

// issuerFault says what keeps issuer from being an issuer identifier (OIDC Core §2, RFC 8414 §2) that every relying party
// compares as the same string.
func issuerFault(issuer string) string {
	if issuer == "" {
		return "is missing"
	}
	u, err := url.Parse(issuer)
	switch {
	case err != nil || u.Hostname() == "" || u.Opaque != "":
		return "is no URL"
	case u.User != nil: // before anything that would repeat it
		return "has a user"
	case u.Scheme != "https" && u.Scheme != "http":
		return quote(issuer) + " is neither https nor http"
	case u.Scheme == "http" && !isLoopback(u.Hostname()):
		return quote(issuer) + " is http beyond loopback"
	case strings.ContainsAny(issuer, "?#"):
		return quote(issuer) + " has a query or a fragment"
	case strings.HasSuffix(issuer, "/"):
		return quote(issuer) + " ends with a slash"
	case u.Host != strings.ToLower(u.Host):
		return quote(issuer) + " has capital letters in its host"
	case strings.HasSuffix(u.Host, ":") || u.Scheme == "https" && u.Port() == "443" || u.Scheme == "http" && u.Port() == "80":
		return quote(issuer) + " has a port that goes without saying"
	case u.String() != issuer || u.Path != "" && u.JoinPath().String() != issuer:
		return quote(issuer) + " has a path or characters that not everybody would write in the same way"
	}
	for i := range len(issuer) {
		if c := issuer[i]; c <= ' ' || c > '~' || c == '%' {
			return quote(issuer) + " has characters that not everybody would write in the same way"
		}
	}
	return ""
}

func (l *loader) checkTLS() {
	pair := l.config.TLS
	switch {
	case l.bad["tls.cert"] || l.bad["tls.key"] || pair == TLS{}:
		return
	case pair.Cert == "":
		l.fault("tls.cert", "is missing while tls.key is set")
		return
	case pair.Key == "":
		l.fault("tls.key", "is missing while tls.cert is set")
		return
	}
	if _, err := tls.LoadX509KeyPair(pair.Cert, pair.Key); err != nil {
		if pathErr := (*fs.PathError)(nil); errors.As(err, &pathErr) && pathErr.Path == pair.Key {
			l.fault("tls.key", "%s: %v", pair.Key, pathErr.Err)
		} else if errors.As(err, &pathErr) {
			l.fault("tls.cert", "%s: %v", pair.Cert, pathErr.Err)
		} else {
			l.fault("tls.cert", "%s and %s are no pair: %v", pair.Cert, pair.Key, err)
		}
		return
	}
	if readableByOthers(pair.Key) {
		l.warn("tls.key: others may read %s: chmod 600 it", pair.Key)
	}
}

func (l *loader) checkStore() {
	c := l.config
	if f, _ := l.field("store"); !l.bad["store"] {
		if wrong := c.Store.fault(); wrong != "" {
			l.fault("store", "%s: want %s", wrong, f.limit())
		}
	}
	if !l.bad["store"] && c.Store.exposed() {
		l.warn("store: %s sends its password over the network in clear: want rediss", c.Store)
	}
	if c.Redis.AllowEviction {
		l.warn("redis.allowEviction: the server may forget revocations, clients and keys when its memory is full")
	}
	if namespace := c.Redis.Namespace; len(namespace) > 32 || strings.Trim(namespace, "abcdefghijklmnopqrstuvwxyz0123456789:._-") != "" {
		f, _ := l.field("redis.namespace")
		l.fault(f.key, "%s: want %s", quote(namespace), f.limit())
	}
	if !l.bad["redis.ackTimeout"] && !l.bad["limits.storeBudget"] && c.Redis.AckTimeout >= c.Limits.StoreBudget {
		l.fault("redis.ackTimeout", "%s is not shorter than limits.storeBudget, %s",
			formatDuration(c.Redis.AckTimeout), formatDuration(c.Limits.StoreBudget))
	}
}

func (l *loader) checkKeys() {
	k := l.config.Keys
	if !l.bad["keys.algorithms"] {
		for _, needed := range []string{"ES256", "RS256"} {
			if !slices.Contains(k.Algorithms, needed) {
				l.fault("keys.algorithms", "%s is missing: it is the default of access tokens (ES256) or ID tokens (RS256)", needed)
			}
		}
	}
	l.checkWholeSeconds("keys.jwksMaxAge", k.JWKSMaxAge)
	if l.bad["keys.rotateEvery"] || l.bad["keys.jwksMaxAge"] || l.bad["keys.clockSkew"] {
		return
	}
	if least := 2 * (k.JWKSMaxAge + 2*k.ClockSkew); k.RotateEvery < least {
		l.fault("keys.rotateEvery", "%s is shorter than %s: want twice the time for which a key is published before it signs (keys.jwksMaxAge and two keys.clockSkew)",
			formatDuration(k.RotateEvery), formatDuration(least))
	}
}

func (l *loader) checkTokens() {
	t := l.config.Tokens
	l.checkWholeSeconds("tokens.defaultLifetime", t.DefaultLifetime)
	l.checkWholeSeconds("tokens.maxLifetime", t.MaxLifetime)
	if !l.bad["tokens.defaultLifetime"] && !l.bad["tokens.maxLifetime"] && t.DefaultLifetime > t.MaxLifetime {
		l.fault("tokens.defaultLifetime", "%s is longer than tokens.maxLifetime, %s",
			formatDuration(t.DefaultLifetime), formatDuration(t.MaxLifetime))
	}
}

// checkWholeSeconds keeps to what a JWT's times and Cache-Control can say.
func (l *loader) checkWholeSeconds(key string, d time.Duration) {
	if !l.bad[key] && d%time.Second != 0 {
		l.fault(key, "%s is not in whole seconds", formatDuration(d))
	}
}
