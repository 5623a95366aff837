package secret

import (
	"context"

	"golang.org/x/text/unicode/norm"

	"github.com/gatehouse-id/gatehouse/internal/iam"
)

// HashPassword returns the argon2id PHC string to store of a person's password, whatever its length. The password is taken in
// Unicode's composed form (NFC, RFC 8265 §4.2.2), since keyboards differ in how they send the same letter. The errors are those
// of Hash.
func (h *Hasher) HashPassword(ctx context.Context, password string) (string, error) {
	switch {
	case password == "":
		return "", iam.Errorf(iam.Invalid, "password: is empty")
	case len(password) > MaxLength:
		return "", iam.Errorf(iam.Invalid, "password: %d bytes are more than %d", len(password), MaxLength)
	}
	return h.slowHash(ctx, norm.NFC.String(password))
}

// VerifyPassword reports whether password is the one that hash was made of, and whether the hash should be replaced by a new
// one because it was made at a lower cost than today's. An empty hash never matches but takes as long: pass it for a person who
// does not exist or has no password. The errors are ErrMalformed and iam.Unavailable ("busy").
func (h *Hasher) VerifyPassword(ctx context.Context, hash, password string) (ok, upgrade bool, err error) {
	if password == "" || len(password) > MaxLength {
		return false, false, nil
	}
	stored := hash
	if stored == "" {
		stored = dummyHash
	}
	ok, err = h.slowVerify(ctx, stored, norm.NFC.String(password))
	if !ok || err != nil || hash == "" {
		return false, false, err
	}
	params, _, _, _ := parseArgon(hash)
	return true, params.weaker(), nil
}
