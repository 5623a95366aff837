package secret

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/crypto/argon2"

	"github.com/gatehouse-id/gatehouse/internal/iam"
)

const argonPrefix = "$argon2id$"

// argonParams are the cost parameters of RFC 9106 §3.1; memory is in KiB.
type argonParams struct{ memory, passes, lanes uint32 }

// current is what new hashes are made with: OWASP's least for argon2id.
var current = argonParams{memory: 19 << 10, passes: 2, lanes: 1}

// The highest cost that a stored hash may ask for: RFC 9106 §4's second choice and a margin, so that an imported hash cannot
// take the machine down.
var highest = argonParams{memory: 64 << 10, passes: 10, lanes: 16}

const (
	saltSize = 16
	keySize  = 32
)

// dummyHash has the cost of a new hash and is the hash of no secret.
var dummyHash = encodeArgon(current, make([]byte, saltSize), make([]byte, keySize))

// Slow reports whether Verify against hash may cost an argon2id, which a caller who limits those must know beforehand.
func Slow(hash string) bool { return strings.HasPrefix(hash, argonPrefix) }

func (h *Hasher) slowHash(ctx context.Context, secret string) (string, error) {
	if err := h.gate.enter(ctx); err != nil {
		return "", err
	}
	defer h.gate.leave()
	salt := make([]byte, saltSize)
	rand.Read(salt)
	return encodeArgon(current, salt, current.key(secret, salt, keySize)), nil
}

func (h *Hasher) slowVerify(ctx context.Context, hash, secret string) (bool, error) {
	params, salt, key, ok := parseArgon(hash)
	if !ok {
		return false, ErrMalformed
	}
	if err := h.gate.enter(ctx); err != nil {
		return false, err
	}
	defer h.gate.leave()
	return subtle.ConstantTimeCompare(params.key(secret, salt, len(key)), key) == 1, nil
}

func (p argonParams) key(secret string, salt []byte, size int) []byte {
	return argon2.IDKey([]byte(secret), salt, p.passes, p.memory, uint8(p.lanes), uint32(size))
}

// weaker reports whether a hash made with p should be made anew.
func (p argonParams) weaker() bool { return p.memory < current.memory || p.passes < current.passes }

// encodeArgon writes the PHC string that every other implementation reads, too.
func encodeArgon(p argonParams, salt, key []byte) string {
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("%sv=%d$m=%d,t=%d,p=%d$%s$%s", argonPrefix, argon2.Version, p.memory, p.passes, p.lanes,
		b64.EncodeToString(salt), b64.EncodeToString(key))
}

func parseArgon(hash string) (p argonParams, salt, key []byte, ok bool) {
	part := strings.Split(strings.TrimPrefix(hash, argonPrefix), "$")
	if !strings.HasPrefix(hash, argonPrefix) || len(part) != 4 || part[0] != "v="+strconv.Itoa(argon2.Version) {
		return p, nil, nil, false
	}
	cost := strings.Split(part[1], ",")
	if len(cost) != 3 {
		return p, nil, nil, false
	}
	for i, c := range []struct {
		name  string
		value *uint32
		limit uint32
	}{{"m=", &p.memory, highest.memory}, {"t=", &p.passes, highest.passes}, {"p=", &p.lanes, highest.lanes}} {
		text, found := strings.CutPrefix(cost[i], c.name)
		n, err := strconv.ParseUint(text, 10, 32)
		if !found || err != nil || n == 0 || n > uint64(c.limit) {
			return p, nil, nil, false
		}
		*c.value = uint32(n)
	}
	salt, err := base64.RawStdEncoding.Strict().DecodeString(part[2])
	if err != nil || len(salt) < 8 || len(salt) > 64 || p.memory < 8*p.lanes {
		return p, nil, nil, false
	}
	key, err = base64.RawStdEncoding.Strict().DecodeString(part[3])
	if err != nil || len(key) < 16 || len(key) > 64 {
		return p, nil, nil, false
	}
	return p, salt, key, true
}

// A gate lets a few computations run and a few more wait; whoever comes then is sent away at once, so that a flood of sign-ins
// takes neither the memory nor the processors that tokens need.
type gate struct {
	running chan struct{}
	waiting chan struct{}
}

const waitersPerRunner = 32

func newGate(parallel int) gate {
	return gate{running: make(chan struct{}, parallel), waiting: make(chan struct{}, parallel*(1+waitersPerRunner))}
}

func (g gate) enter(ctx context.Context) error {
	if ctx.Err() != nil {
		return errBusy.WithCause(context.Cause(ctx))
	}
	select {
	case g.waiting <- struct{}{}:
	default:
		return errBusy
	}
	select {
	case g.running <- struct{}{}:
		return nil
	case <-ctx.Done():
		<-g.waiting
		return errBusy.WithCause(context.Cause(ctx))
	}
}

func (g gate) leave() {
	<-g.running
	<-g.waiting
}

var errBusy = iam.Refuse(iam.Unavailable, "busy", "too many passwords are being checked at this moment: try again in a second")
