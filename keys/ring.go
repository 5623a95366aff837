package keys

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/go-jose/go-jose/v4"
)

// A Ring is an immutable snapshot of the signing keys: it signs, verifies, and holds the JWK set ready to send. It is safe for
// concurrent use without a lock; a change of keys makes a new Ring.
type Ring struct {
	published map[string]*Key         // by ID: pending, active, retired
	signers   map[signerID]*Signer    // for the active key of each algorithm
	headers   map[string]parsedHeader // what this package writes as a header, in base64url, to what it says
	jwks      []byte
	etag      string
}

type signerID struct {
	alg Alg
	typ string
}

// NewRing makes the Ring of keys. Removed keys are left out. When an algorithm has two active keys, which is what a rotation
// that was cut short can leave behind, the one that was activated last signs and Plan retires the other.
func NewRing(keys []*Key) (*Ring, error) {
	r := &Ring{
		published: make(map[string]*Key),
		signers:   make(map[signerID]*Signer),
		headers:   make(map[string]parsedHeader),
	}
	seen := make(map[string]bool)
	active := make(map[Alg]*Key)
	for _, k := range keys {
		if err := k.check(); err != nil {
			return nil, fmt.Errorf("signing key %q: %w", k.ID, err)
		}
		if seen[k.ID] {
			return nil, fmt.Errorf("signing key %q is there twice", k.ID)
		}
		seen[k.ID] = true
		if !k.State.published() {
			continue
		}
		r.published[k.ID] = k
		for _, typ := range types {
			r.headers[encodeHeader(k, typ)] = parsedHeader{alg: string(k.Alg), kid: k.ID, typ: typ}
		}
		if k.State == Active && (active[k.Alg] == nil || byActivation(k, active[k.Alg]) > 0) {
			active[k.Alg] = k
		}
	}
	for alg, k := range active {
		for _, typ := range types {
			r.signers[signerID{alg, typ}] = newSigner(k, typ)
		}
	}
	return r, r.buildJWKS()
}

// byActivation orders active keys by when they were activated. The last one signs.
func byActivation(a, b *Key) int {
	return cmp.Or(a.ActiveAt.Compare(b.ActiveAt), cmp.Compare(a.ID, b.ID))
}

// ErrNoSigner means that no active key signs with the algorithm that was asked for.
var ErrNoSigner = errors.New("no active signing key")

// Signer returns the prebuilt signer of tokens of type typ, one of the Type constants, with the active key of alg. The error is
// ErrNoSigner when that algorithm has no active key.
func (r *Ring) Signer(alg Alg, typ string) (*Signer, error) {
	if s := r.signers[signerID{alg, typ}]; s != nil {
		return s, nil
	}
	if !slices.Contains(types[:], typ) {
		return nil, fmt.Errorf("token type %q is not one that this package signs", typ)
	}
	return nil, fmt.Errorf("%w for %s", ErrNoSigner, alg)
}

// JWKS returns the JWK set (RFC 7517 §5) of the published keys, and its strong entity tag with the quotes. The body is shared:
// the caller must not change it.
func (r *Ring) JWKS() (body []byte, etag string) { return r.jwks, r.etag }

// buildJWKS fills in the JWK set. Equal sets of published keys give equal bytes, whatever the order or the states, so that
// replicas agree on the entity tag and an activation alone invalidates no copy.
func (r *Ring) buildJWKS() error {
	set := jose.JSONWebKeySet{Keys: make([]jose.JSONWebKey, 0, len(r.published))}
	for _, k := range r.published {
		set.Keys = append(set.Keys, k.jwk())
	}
	slices.SortFunc(set.Keys, func(a, b jose.JSONWebKey) int {
		return cmp.Or(cmp.Compare(a.Algorithm, b.Algorithm), cmp.Compare(a.KeyID, b.KeyID))
	})
	body, err := json.Marshal(set)
	if err != nil {
		return fmt.Errorf("encode JWK set: %w", err)
	}
	sum := sha256.Sum256(body)
	r.jwks, r.etag = body, `"`+base64.RawURLEncoding.EncodeToString(sum[:16])+`"`
	return nil
}
