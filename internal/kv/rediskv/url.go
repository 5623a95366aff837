package rediskv

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
)

// ParseURL reads a Config from one of
//
//	redis://user:password@host:port
//	redis+sentinel://user:password@host:port,host:port/primary
//	redis+cluster://user:password@host:port,host:port
//
// or the same with rediss, for TLS. User and password are percent-encoded; a missing port is 6379, of a sentinel 26379. The query may
// have namespace, replicas_ack (0: none), ack_timeout (500ms), allow_eviction (true), sentinel_username, sentinel_password, and with
// TLS tls_ca, tls_cert, tls_key, which name PEM files. Whatever else it finds is an error, and no error shows a password.
func ParseURL(s string) (Config, error) {
	scheme, rest, ok := strings.Cut(s, "://")
	if !ok {
		return Config{}, errors.New("store URL: want redis://, redis+sentinel:// or redis+cluster://, or the same with rediss")
	}
	var c Config
	var port string
	secure := strings.HasPrefix(scheme, "rediss")
	switch strings.TrimPrefix(strings.TrimPrefix(scheme, "rediss"), "redis") {
	case "":
		c.Mode, port = Standalone, "6379"
	case "+sentinel":
		c.Mode, port = Sentinel, "26379"
	case "+cluster":
		c.Mode, port = Cluster, "6379"
	}
	if c.Mode == "" || !strings.HasPrefix(scheme, "redis") {
		return Config{}, errors.New("store URL: want redis://, redis+sentinel:// or redis+cluster://, or the same with rediss")
	}
	if secure {
		c.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	// The parts are cut by hand: net/url refuses lists of hosts, and its errors repeat what it was given.
	rest, query, _ := strings.Cut(rest, "?")
	// An @ in the query is the end of a password with a question mark in it.
	if strings.ContainsAny(rest, "# \t\r\n") || strings.ContainsAny(query, "#@") {
		return Config{}, errors.New("store URL: blanks, ? and # in user and password must be percent-encoded, and @ in the query")
	}
	if at := strings.LastIndexByte(rest, '@'); at >= 0 {
		if err := c.parseUser(rest[:at]); err != nil {
			return Config{}, err
		}
		rest = rest[at+1:]
	}
	hosts, path, _ := strings.Cut(rest, "/")
	if err := c.parseHosts(hosts, port); err != nil {
		return Config{}, err
	}
	if err := c.parsePath(path); err != nil {
		return Config{}, err
	}
	if err := c.parseQuery(query); err != nil {
		return Config{}, err
	}
	if _, err := c.withDefaults(); err != nil {
		return Config{}, err
	}
	return c, nil
}

func (c *Config) parseUser(s string) error {
	if strings.Contains(s, "/") {
		return errors.New("store URL: / in user or password must be percent-encoded")
	}
	user, password, _ := strings.Cut(s, ":")
	user, errUser := url.PathUnescape(user)
	password, errPassword := url.PathUnescape(password)
	if errUser != nil || errPassword != nil {
		return errors.New("store URL: user or password is not properly percent-encoded")
	}
	c.Username, c.Password = user, Password(password)
	return nil
}

// parseHosts quotes nothing in its errors: a password with an unescaped slash or @ would show up here.
func (c *Config) parseHosts(s, defaultPort string) error {
	bad := errors.New("store URL: want host:port, several for sentinel and cluster separated by commas")
	for addr := range strings.SplitSeq(s, ",") {
		host, port, err := net.SplitHostPort(addr)
		if err != nil {
			if host, port, err = net.SplitHostPort(addr + ":" + defaultPort); err != nil {
				return bad
			}
		}
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 || host == "" || strings.ContainsAny(host, "%[]") {
			return bad
		}
		c.Addrs = append(c.Addrs, net.JoinHostPort(host, port))
	}
	return nil
}

func (c *Config) parsePath(path string) error {
	if c.Mode == Sentinel {
		name, err := url.PathUnescape(path)
		if err != nil || name == "" || strings.Contains(name, "/") {
			return errors.New("store URL: after the sentinels comes /name, what they call the primary")
		}
		c.MasterName = name
		return nil
	}
	if path != "" && path != "0" {
		return errors.New("store URL: only database 0 is used, so no path")
	}
	return nil
}

func (c *Config) parseQuery(query string) error {
	values, err := url.ParseQuery(query)
	if err != nil {
		return errors.New("store URL: the query is not properly percent-encoded")
	}
	var ca, cert, key string
	for name, list := range values {
		if len(list) > 1 {
			return fmt.Errorf("store URL: %s is given %d times", name, len(list))
		}
		value, err := list[0], error(nil)
		switch name {
		case "namespace":
			c.Namespace = value
		case "replicas_ack":
			c.ReplicasAck, err = strconv.Atoi(value)
			if c.ReplicasAck == 0 {
				c.ReplicasAck = -1
			}
		case "ack_timeout":
			c.AckTimeout, err = time.ParseDuration(value)
		case "allow_eviction":
			c.AllowEviction, err = strconv.ParseBool(value)
		case "sentinel_username":
			c.SentinelUsername = value
		case "sentinel_password":
			c.SentinelPassword = Password(value)
		case "tls_ca":
			ca = value
		case "tls_cert":
			cert = value
		case "tls_key":
			key = value
		default:
			return fmt.Errorf("store URL: unknown key %q in the query", name)
		}
		if err != nil {
			return fmt.Errorf("store URL: %s=%s is not understood", name, value)
		}
	}
	return c.loadTLS(ca, cert, key)
}

func (c *Config) loadTLS(ca, cert, key string) error {
	if ca == "" && cert == "" && key == "" {
		return nil
	}
	if c.TLS == nil {
		return errors.New("store URL: tls_ca, tls_cert and tls_key need rediss")
	}
	if ca != "" {
		pem, err := os.ReadFile(ca)
		if err != nil {
			return fmt.Errorf("store URL: tls_ca: %w", err)
		}
		c.TLS.RootCAs = x509.NewCertPool()
		if !c.TLS.RootCAs.AppendCertsFromPEM(pem) {
			return fmt.Errorf("store URL: tls_ca: no PEM certificate in %s", ca)
		}
	}
	if cert != "" || key != "" {
		pair, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			return fmt.Errorf("store URL: tls_cert and tls_key: %w", err)
		}
		c.TLS.Certificates = []tls.Certificate{pair}
	}
	return nil
}
