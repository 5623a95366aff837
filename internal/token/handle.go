package token

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"strconv"
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/secret"
)

// Handles makes and reads what a client holds of a grant: its authorization code, its device code, its refresh tokens. Each is derived
// from the grant's id under a key of the installation, so none is kept, whoever reads the store has none, and the same refresh token
// can be given again.
type Handles struct{ Key []byte }

// HandleKeyLabel is the purpose of Handles.Key, for secret.Hasher.Derive.
const HandleKeyLabel = "grant handle"

// grantChars is the length of a grant's id, which stands in front of a generation.
const grantChars = 16

func (h *Handles) mac(purpose, grant string) (out [32]byte) {
	mac := hmac.New(sha256.New, h.Key)
	mac.Write([]byte(purpose + "\x00" + grant))
	mac.Sum(out[:0])
	return out
}

// Code returns the authorization code of a grant (RFC 6749 §4.1.2).
func (h *Handles) Code(grant string) string {
	sum := h.mac("code", grant)
	return grant + base64.RawURLEncoding.EncodeToString(sum[:])
}

// Coded returns the grant whose authorization code this is; ok is false when it is no code of ours.
func (h *Handles) Coded(code string) (grant string, ok bool) {
	if len(code) <= grantChars {
		return "", false
	}
	grant = code[:grantChars]
	return grant, hmac.Equal([]byte(code), []byte(h.Code(grant)))
}

// DeviceCode returns the device code of a grant (RFC 8628 §3.2).
func (h *Handles) DeviceCode(grant string) secret.Secret {
	return secret.Derived(secret.DeviceCode, grant, h.mac("device", grant))
}

// DeviceCoded returns the grant whose device code this is.
func (h *Handles) DeviceCoded(code string) (grant string, ok bool) {
	kind, grant, ok := secret.Parse(code)
	if !ok || kind != secret.DeviceCode || grant == "" {
		return "", false
	}
	return grant, hmac.Equal([]byte(code), []byte(h.DeviceCode(grant).Reveal()))
}

// UserCode returns by which id a user code is found (RFC 8628 §3.2). A user code is short enough to be guessed by whoever reads the
// store, so its hash is under the key as well.
func (h *Handles) UserCode(code string) string {
	sum := h.mac("user code", code)
	return base64.RawURLEncoding.EncodeToString(sum[:18])
}

// Refresh returns the refresh token of a generation of a grant.
func (h *Handles) Refresh(grant string, generation uint64) secret.Secret {
	id := grant + strconv.FormatUint(generation, 36)
	return secret.Derived(secret.RefreshToken, id, h.mac("refresh", id))
}

// Refreshed returns the grant and the generation whose refresh token this is.
func (h *Handles) Refreshed(token string) (grant string, generation uint64, ok bool) {
	kind, id, ok := secret.Parse(token)
	if !ok || kind != secret.RefreshToken || len(id) <= grantChars {
		return "", 0, false
	}
	grant = id[:grantChars]
	generation, err := strconv.ParseUint(id[grantChars:], 36, 64)
	if err != nil || strings.ToLower(id[grantChars:]) != id[grantChars:] {
		return "", 0, false
	}
	return grant, generation, hmac.Equal([]byte(token), []byte(h.Refresh(grant, generation).Reveal()))
}
