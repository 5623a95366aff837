// Package config is the configuration of the server: one struct, how it is loaded, and the page that describes it.
//
// A value comes from the file, the environment or the command line, the later overriding the earlier. Whatever is unknown,
// unreadable or unsafe is a fault; Load names all of them at once, by key, so that one look mends them. The tags of the struct
// are the only list of keys: the names in the file and the environment, defaults, limits and docs/configuration.md are made
// of them.
//
// The package reads the files that the configuration names, knows nothing of what is done with the values, and imports nothing
// of Gatehouse.
package config

import (
	"net/netip"
	"time"
)

// A Config is a valid configuration. Only Load makes one. Each field has its key in the file, its default (none: it is
// required, or nothing is the default), its limits, and a sentence.
type Config struct {
	Issuer         string         `key:"issuer" want:"an https URL (or http on loopback) without slash, query or fragment at the end" doc:"The URL by which the world knows this broker: the iss of every token. Changing it makes every token and every registration void. With dev the default is http:// and listen."`
	Listen         string         `key:"listen" default:"127.0.0.1:8080" want:"host:port" doc:"The address of the public listener. Beyond loopback it wants tls or trustedProxies."`
	Operations     Operations     `key:"operations"`
	Store          Store          `key:"store" default:"bolt:./data/gatehouse.db" secret:"true" want:"bolt:PATH, redis://…, redis+sentinel://… or redis+cluster://… (rediss with TLS)" doc:"Where everything is kept: an embedded file, or Redis or Valkey."`
	Redis          Redis          `key:"redis"`
	Keys           Keys           `key:"keys"`
	Tokens         Tokens         `key:"tokens"`
	Grants         Grants         `key:"grants"`
	Sessions       Sessions       `key:"sessions"`
	SignIn         SignIn         `key:"signIn"`
	Mail           Mail           `key:"mail"`
	Admin          Admin          `key:"admin"`
	Cache          Cache          `key:"cache"`
	Limits         Limits         `key:"limits"`
	Drain          Drain          `key:"drain"`
	Log            Log            `key:"log"`
	TLS            TLS            `key:"tls"`
	Outbound       Outbound       `key:"outbound"`
	TrustedProxies []netip.Prefix `key:"trustedProxies" want:"networks like 10.0.0.0/8, at least /8 (IPv6: /7)" doc:"The proxies whose X-Forwarded-For is believed, and behind which listen may be plain http."`
	Dev            bool           `key:"dev" default:"false" doc:"For a developer's machine: http on loopback, a key-encryption key made on first start, seed data. It refuses any other address. The same as serve --dev."`

	kek      []byte            // from the environment
	origins  map[string]string // by key: where a value that is no default came from
	warnings []string
}

// Operations is the listener for those who run the broker.
type Operations struct {
	Listen string `key:"listen" default:"127.0.0.1:9090" want:"host:port other than listen" doc:"The address of /healthz, /readyz, /metrics and /debug/pprof. It has no authentication: open it to the probes and the scraper alone."`
}

// Redis says what a Redis store must keep to. It does nothing to the embedded store.
type Redis struct {
	Namespace     string        `key:"namespace" default:"gh1:" want:"1 to 32 of a-z 0-9 : . _ -" doc:"What every key begins with: one installation has one namespace."`
	ReplicasAck   int           `key:"replicasAck" default:"0" min:"-1" max:"5" doc:"How many replicas must hold a revocation, a deletion or a spent code before it is acknowledged. 0: 1 with Sentinel and Cluster, none for a single server. -1: none."`
	AckTimeout    time.Duration `key:"ackTimeout" default:"500ms" min:"50ms" max:"5s" doc:"How long to wait for them. It must be shorter than limits.storeBudget."`
	AllowEviction bool          `key:"allowEviction" default:"false" doc:"Starts on a server that may evict records when its memory is full, and so forget revocations. For experiments alone."`
}

// Keys is about the keys that sign tokens, and the one that seals them.
type Keys struct {
	KEK         string        `key:"kek" env:"GATEHOUSE_KEYS_KEK_FILE" want:"the path of a file with 32 bytes in base64" doc:"The file with the key-encryption key: 32 bytes in base64 (openssl rand -base64 32). It seals the signing keys in the store; without it they are lost. With dev the default is data/kek."`
	Algorithms  []string      `key:"algorithms" default:"ES256,RS256,EdDSA" oneof:"ES256,RS256,EdDSA" doc:"What keys are made for. ES256 and RS256 must be among them: they are the defaults of access and ID tokens."`
	RotateEvery time.Duration `key:"rotateEvery" default:"90d" min:"1d" max:"397d" doc:"How long a key signs. At least twice the time for which it is published before: jwksMaxAge and two clockSkew."`
	JWKSMaxAge  time.Duration `key:"jwksMaxAge" default:"15m" min:"1m" max:"1d" want:"whole seconds" doc:"How long verifiers may cache the key set, and so how early a new key is published."`
	ClockSkew   time.Duration `key:"clockSkew" default:"60s" min:"0s" max:"60s" doc:"How far the clocks of replicas and verifiers may be apart."`
}

// Tokens bounds the life of access tokens.
type Tokens struct {
	DefaultLifetime time.Duration `key:"defaultLifetime" default:"15m" min:"1m" max:"24h" want:"whole seconds, not longer than tokens.maxLifetime" doc:"The life of an access token whose audience sets none."`
	MaxLifetime     time.Duration `key:"maxLifetime" default:"24h" min:"1m" max:"24h" want:"whole seconds" doc:"The longest life that an audience may set."`
}

// Grants bounds what a person's permission to a client lasts.
type Grants struct {
	CodeLifetime    time.Duration `key:"codeLifetime" default:"60s" min:"5s" max:"60s" want:"whole seconds" doc:"The life of an authorization code."`
	DeviceLifetime  time.Duration `key:"deviceLifetime" default:"10m" min:"1m" max:"30m" want:"whole seconds" doc:"How long a device waits for somebody to approve it."`
	RefreshIdle     time.Duration `key:"refreshIdle" default:"30d" min:"5m" max:"397d" doc:"How long a refresh token may lie unused."`
	RefreshLifetime time.Duration `key:"refreshLifetime" default:"180d" min:"5m" max:"397d" doc:"How long refresh tokens may be renewed in all before the person signs in again."`
	RefreshGrace    time.Duration `key:"refreshGrace" default:"10s" min:"0s" max:"60s" doc:"How long a refresh token that was just used still brings the same successor, for a client that did not get the answer. 0s: not at all."`
}

// Sessions bounds how long a browser stays signed in.
type Sessions struct {
	Idle     time.Duration `key:"idle" default:"24h" min:"5m" max:"30d" doc:"How long a browser stays signed in without being used."`
	Lifetime time.Duration `key:"lifetime" default:"14d" min:"5m" max:"90d" doc:"How long a browser stays signed in in all."`
}

// SignIn is about how people prove who they are.
type SignIn struct {
	Passwords bool `key:"passwords" default:"true" doc:"Whether people may sign in by a password. With false, only by a connector."`
}

// Mail is the server that takes the mail to people: invitations, new passwords, addresses to verify.
type Mail struct {
	Server   string `key:"server" want:"a host name or address, without a port" doc:"The SMTP server that takes our mail. Without one nothing is sent, and what needs mail says so; with dev, letters are printed."`
	Port     int    `key:"port" default:"587" min:"1" max:"65535" doc:"Its port: 587 with starttls, 465 with tls."`
	Username string `key:"username" doc:"Who we are to it. Without one it is not told."`
	Password Secret `key:"password" secret:"true" doc:"The password to it. Better in a file that GATEHOUSE_MAIL_PASSWORD_FILE names."`
	From     string `key:"from" want:"an address, as in Gatehouse <id@example.com>" doc:"Whom our mail is from. Required with server."`
	TLS      string `key:"tls" default:"starttls" oneof:"starttls,tls,none" doc:"How the connection is encrypted. none only with dev, or to a server on loopback."`
}

// A Secret is a password in the configuration. It prints as [redacted].
type Secret string

// String returns "[redacted]", or "" for none.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return redacted
}

// Admin is about the admin API.
type Admin struct {
	OwnerRequest string `key:"ownerRequest" default:"optional" oneof:"optional,required" doc:"Whether an operator's change inside an organization must name the owner who asked for it, in the header Gatehouse-Requested-By."`
}

// Cache is what each process keeps of the store.
type Cache struct {
	Lease   time.Duration `key:"lease" default:"2s" min:"0s" max:"15s" doc:"How long the cache may answer after contact with the store was lost. Beyond it answers are 503. 0s turns the cache off. More than 2s is the weaker promise: a change made meanwhile is seen that much later."`
	Entries int           `key:"entries" default:"100000" min:"1000" max:"10000000" doc:"How many records the cache holds, at about one KiB each."`
}

// Limits keeps overload from making every answer slow.
type Limits struct {
	InFlight    int           `key:"inFlight" default:"0" min:"0" max:"100000" doc:"How many requests are worked on at once. 0: by the number of processors."`
	Queue       int           `key:"queue" default:"0" min:"0" max:"100000" doc:"How many more wait; the rest are answered 503 with Retry-After. 0: by the number of processors."`
	StoreBudget time.Duration `key:"storeBudget" default:"2s" min:"100ms" max:"10s" doc:"How long a request waits for the store in all before it is answered 503."`
}

// Drain is how a process ends without a failed request.
type Drain struct {
	Delay   time.Duration `key:"delay" default:"5s" min:"0s" max:"5m" doc:"How long it keeps serving after readiness turned red: at least two probe periods of the balancer."`
	Timeout time.Duration `key:"timeout" default:"20s" min:"1s" max:"10m" doc:"How long requests under way then may take. Delay and timeout together stay below the grace period of whatever stops the process (Kubernetes: 30s)."`
}

// Log is about the log on standard error.
type Log struct {
	Level  string `key:"level" default:"info" oneof:"debug,info,warn,error" doc:"The least level that is logged."`
	Format string `key:"format" default:"json" oneof:"json,text" doc:"One JSON object or one line of key=value per event."`
}

// TLS names the certificate of the public listener, as PEM files that are read again when they change.
type TLS struct {
	Cert string `key:"cert" want:"the path of a PEM file, with tls.key" doc:"The certificate and its chain. Without it the listener speaks plain http."`
	Key  string `key:"key" want:"the path of a PEM file, with tls.cert" doc:"The private key of the certificate."`
}

// Outbound bounds whom the broker calls: relying parties that want to hear of a logout, upstream providers, published keys.
type Outbound struct {
	AllowPrivate []netip.Prefix `key:"allowPrivate" want:"networks like 10.1.0.0/16, at least /8 (IPv6: /7)" doc:"The networks beside the public internet that the broker may call when a client or a connector names an address there. Nothing else private, loopback or link-local is ever called; with dev, loopback is."`
}

// Warnings returns sentences for the operator about what is allowed and not wise.
func (c *Config) Warnings() []string { return c.warnings }
