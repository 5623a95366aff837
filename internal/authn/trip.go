package authn

import (
	"bytes"
	"compress/flate"
	"context"
	"crypto/cipher"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/iam"
)

// A Trip is a browser's way to an upstream provider and back. It stays sealed in a cookie of that browser, so that an answer of the
// provider is worth nothing in any other (RFC 9700 §4.7), and costs no row in the store until it is used up.
type Trip struct {
	Connector string    `json:"connector"`
	State     string    `json:"state"`
	Nonce     string    `json:"nonce"`
	Verifier  string    `json:"verifier"` // of PKCE
	Ticket    *Ticket   `json:"ticket,omitempty"`
	StartedAt time.Time `json:"at"`
	// User and Session are who wants the account linked, and where; empty when somebody signs in.
	User    iam.UserID `json:"user,omitempty"`
	Session string     `json:"sid,omitempty"`
}

// TripLife is how long a person may take at a provider.
const TripLife = 10 * time.Minute

// TripKeyLabel is the purpose of the key of Trips, for secret.Hasher.Derive.
const TripKeyLabel = "upstream trip"

// maxTrip is the most bytes of a sealed trip: a browser keeps 4096 for a cookie with its name and attributes.
const maxTrip = 3800

// Trips seals and opens trips. The key is the same on every replica.
type Trips struct {
	aead cipher.AEAD
	// once reports whether this is the first time that an id of a kind is seen until then, on any replica.
	once func(ctx context.Context, kind, id string, until time.Time) (bool, error)
	now  func() time.Time
}

// NewTrips returns Trips under a key of 32 bytes.
func NewTrips(key []byte, once func(ctx context.Context, kind, id string, until time.Time) (bool, error), now func() time.Time) (*Trips, error) {
	aead, err := newAEAD(key)
	if err != nil {
		return nil, fmt.Errorf("trip key: %w", err)
	}
	return &Trips{aead: aead, once: once, now: now}, nil
}

var errTrip = iam.Refuse(iam.Invalid, "invalid_state",
	"this answer of the provider does not belong to a sign-in that was begun in this browser, or comes too late or twice: start again where you came from")

// Start makes the secrets of a trip and returns its sealed form.
func (t *Trips) Start(trip *Trip) (string, error) {
	trip.State, trip.Nonce, trip.Verifier, trip.StartedAt = random(), random(), random(), t.now()
	var plain bytes.Buffer
	w, err := flate.NewWriter(&plain, flate.BestCompression)
	if err != nil {
		return "", err
	}
	if err := json.NewEncoder(w).Encode(trip); err != nil {
		return "", err
	}
	if err := w.Close(); err != nil {
		return "", err
	}
	sealed := base64.RawURLEncoding.EncodeToString(t.aead.Seal(nil, nil, plain.Bytes(), nil))
	if len(sealed) > maxTrip {
		return "", errLong
	}
	return sealed, nil
}

// Finish opens a sealed trip and uses it up. It refuses one that is not to this connector, has not this state, is too old, or was used
// before (iam.Invalid, invalid_state).
func (t *Trips) Finish(ctx context.Context, sealed, connector, state string) (*Trip, error) {
	raw, err := base64.RawURLEncoding.DecodeString(sealed)
	if err != nil || len(sealed) > maxTrip {
		return nil, errTrip
	}
	plain, err := t.aead.Open(nil, nil, raw, nil)
	if err != nil {
		return nil, errTrip
	}
	trip := new(Trip)
	if err := json.NewDecoder(io.LimitReader(flate.NewReader(bytes.NewReader(plain)), 4*MaxTicket)).Decode(trip); err != nil {
		return nil, errTrip
	}
	// That the connector is the one that the browser was sent to is what keeps a provider from passing off another's answer as its own.
	if trip.Connector != connector || subtle.ConstantTimeCompare([]byte(trip.State), []byte(state)) != 1 || t.now().After(trip.StartedAt.Add(TripLife)) {
		return nil, errTrip
	}
	first, err := t.once(ctx, "upstream", trip.State, trip.StartedAt.Add(TripLife+time.Minute))
	if err != nil {
		return nil, err
	}
	if !first {
		return nil, errTrip
	}
	return trip, nil
}
