package rediskv

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"time"
)

// A Mode is how the servers are arranged. It is always said, never guessed from the number of addresses.
type Mode string

// Standalone is one address. Sentinel is a primary whose address the sentinels tell. Cluster is Redis Cluster.
const (
	Standalone Mode = "standalone"
	Sentinel   Mode = "sentinel"
	Cluster    Mode = "cluster"
)

// A Password prints as [redacted].
type Password string

// String hides the password.
func (p Password) String() string {
	if p == "" {
		return ""
	}
	return "[redacted]"
}

// GoString hides the password from %#v.
func (p Password) GoString() string { return fmt.Sprintf("%q", p.String()) }

// MarshalText hides the password from encoders.
func (p Password) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// LogValue hides the password from logs.
func (p Password) LogValue() slog.Value { return slog.StringValue(p.String()) }

// A Config says where the servers are and what a safe acknowledgement takes. Mode and Addrs are required, MasterName with
// Sentinel; the zero value of every other field is its default.
type Config struct {
	Mode       Mode
	Addrs      []string // host:port: the server, the sentinels, or some nodes of the cluster
	MasterName string   // what the sentinels call the primary

	Username string   // ACL user; "" is the default user
	Password Password // of Username

	SentinelUsername string   // for the sentinels themselves
	SentinelPassword Password // of SentinelUsername

	TLS *tls.Config // nil: plain TCP

	// Namespace starts every key: 1 to 32 of a-z 0-9 : . _ -, by default "gh1:". One installation has one namespace.
	Namespace string

	// ReplicasAck is how many replicas must have a write with AckSafe before it counts. 0 is the default: 1 with Sentinel and
	// Cluster, none for a standalone server. Negative: none.
	ReplicasAck int
	// AckTimeout bounds the wait for them; 500 ms by default, at most 5 s.
	AckTimeout time.Duration

	// AllowEviction starts even though the server may evict records when its memory is full, which then silently loses
	// revocations, clients and keys. For experiments.
	AllowEviction bool

	// Now tells whether an expiry that a caller gives lies already past; nil is time.Now. What has expired since is told by the
	// server's clock alone.
	Now func() time.Time
}

const (
	defaultNamespace  = "gh1:"
	defaultAckTimeout = 500 * time.Millisecond
	maxAckTimeout     = 5 * time.Second
)

// withDefaults checks c and fills in what was left out.
func (c Config) withDefaults() (Config, error) {
	switch {
	case c.Mode != Standalone && c.Mode != Sentinel && c.Mode != Cluster:
		return c, fmt.Errorf("redis: mode %q is none of standalone, sentinel, cluster", string(c.Mode))
	case len(c.Addrs) == 0:
		return c, fmt.Errorf("redis: no address of a server")
	case c.Mode == Standalone && len(c.Addrs) > 1:
		return c, fmt.Errorf("redis: a standalone server has one address, got %d", len(c.Addrs))
	case c.Mode == Sentinel && c.MasterName == "":
		return c, fmt.Errorf("redis: sentinel needs the name of the primary")
	case c.Mode != Sentinel && (c.MasterName != "" || c.SentinelUsername != "" || c.SentinelPassword != ""):
		return c, fmt.Errorf("redis: the name of the primary and the credentials of the sentinels belong to mode sentinel, not %s", c.Mode)
	case c.AckTimeout < 0 || c.AckTimeout > maxAckTimeout:
		return c, fmt.Errorf("redis: ack timeout %v is not between 0 and %v", c.AckTimeout, maxAckTimeout)
	}
	if c.Namespace == "" {
		c.Namespace = defaultNamespace
	}
	if !validNamespace(c.Namespace) {
		return c, fmt.Errorf("redis: namespace %q is not 1 to 32 of a-z 0-9 : . _ -", c.Namespace)
	}
	if c.AckTimeout == 0 {
		c.AckTimeout = defaultAckTimeout
	}
	switch {
	case c.ReplicasAck < 0:
		c.ReplicasAck = 0
	case c.ReplicasAck == 0 && c.Mode != Standalone:
		c.ReplicasAck = 1
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c, nil
}

func validNamespace(s string) bool {
	if len(s) > 32 {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == ':', c == '.', c == '_', c == '-':
		default:
			return false
		}
	}
	return true
}
