package keys

import (
	"errors"
	"fmt"
	"time"
)

// A Policy says how keys rotate. DefaultPolicy is a complete one; Plan wants one that Validate accepts.
type Policy struct {
	// JWKSMaxAge is how long a verifier may use a copy of the JWK set: the max-age that it is served with, in whole seconds.
	// Lower it only when no rotation falls into the old value: copies that were served with that are still out.
	JWKSMaxAge time.Duration
	// ClockSkew is the most by which any two clocks differ, of replicas and verifiers, and also the longest that a change
	// takes from Plan to the last replica. Changes must be committed within it or planned anew.
	ClockSkew time.Duration
	// RotateEvery is how long a key signs.
	RotateEvery time.Duration
	// MaxTokenLifetime is the longest life of any token that a key signs: the hard limit of the product, rather than what is
	// configured today, since tokens with yesterday's lifetime may be out.
	MaxTokenLifetime time.Duration
}

// DefaultPolicy returns the policy of an installation that configures nothing: 90 days of signing, tokens of at most 24 hours,
// one minute of skew, and a JWK set that may be kept for 15 minutes. The set costs next to nothing to serve, while its max-age
// is how long a verifier that reads no revocation feed goes on trusting a key that was removed in an emergency.
func DefaultPolicy() Policy {
	return Policy{
		JWKSMaxAge:       15 * time.Minute,
		ClockSkew:        time.Minute,
		RotateEvery:      90 * 24 * time.Hour,
		MaxTokenLifetime: 24 * time.Hour,
	}
}

// Validate returns all that is wrong with p, joined, or nil.
func (p Policy) Validate() error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if p.JWKSMaxAge < time.Second || p.JWKSMaxAge > 24*time.Hour || p.JWKSMaxAge%time.Second != 0 {
		fault("JWKS max-age: %s is not a whole number of seconds between 1s and 24h", p.JWKSMaxAge)
	}
	if p.ClockSkew < 0 || p.ClockSkew > 10*time.Minute {
		fault("clock skew: %s is not between 0s and 10m", p.ClockSkew)
	}
	if p.MaxTokenLifetime <= 0 {
		fault("longest token lifetime: %s is not positive", p.MaxTokenLifetime)
	}
	if least := 2 * p.window(); p.RotateEvery < least {
		fault("rotation interval: %s is shorter than %s, twice the time for which a key is published before it signs", p.RotateEvery, least)
	}
	return errors.Join(faults...)
}

// window is how long a key is published before it signs. By then every copy of the JWK set without it is too old to be used,
// even when the key reached the last replica one skew after it was planned and the clock that activates it is one skew ahead of
// the clock that planned it.
func (p Policy) window() time.Duration { return p.JWKSMaxAge + 2*p.ClockSkew }

// linger is how long a key stays published after it was retired. The four skews: until the last replica knows and stops signing,
// the clock of that replica against the one that planned, the clock that removes the key against the verifier's, and the
// verifier's own leeway.
func (p Policy) linger() time.Duration { return p.MaxTokenLifetime + 4*p.ClockSkew }
