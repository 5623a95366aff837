package token

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gatehouse-id/gatehouse/internal/iam"
)

// Claims are the claims of an access token (RFC 9068 §2.2) with the organization that it speaks for.
type Claims struct {
	Issuer       string       `json:"iss"`
	Subject      string       `json:"sub"`
	Audience     audience     `json:"aud"`
	ClientID     iam.ClientID `json:"client_id"`
	IssuedAt     int64        `json:"iat"`
	ExpiresAt    int64        `json:"exp"`
	ID           string       `json:"jti"` // "<grant id>.<random>"
	Scope        string       `json:"scope,omitempty"`
	OrgID        iam.NodeID   `json:"org_id,omitempty"`
	OrgName      string       `json:"org_name,omitempty"`
	Roles        []iam.RoleID `json:"roles,omitempty"`
	Groups       []string     `json:"groups,omitempty"`
	Entitlements []string     `json:"entitlements,omitempty"`
	Details      []Detail     `json:"authorization_details,omitempty"`
	AccessRev    string       `json:"access_rev,omitempty"`
	AuthTime     int64        `json:"auth_time,omitempty"` // of a person: when and how it signed in
	ACR          string       `json:"acr,omitempty"`
	AMR          []string     `json:"amr,omitempty"`
	SessionID    string       `json:"sid,omitempty"`
	Extra        []Extra      `json:"-"`
}

// An Extra is a claim that an access model adds. Its name has a colon in it, which no claim of ours and no member of an
// introspection answer has (RFC 7519 §4.2); a token with another one is never issued.
type Extra struct{ Name, Value string }

// Grant returns the id of the grant that the token was issued for.
func (c *Claims) Grant() string {
	grant, _, _ := strings.Cut(c.ID, ".")
	return grant
}

// Person reports whether the token speaks for a person rather than for the client itself.
func (c *Claims) Person() bool { return c.Subject != string(c.ClientID) }

// HasScope reports whether the token carries a scope.
func (c *Claims) HasScope(scope string) bool {
	return slices.Contains(strings.Fields(c.Scope), scope)
}

// marks names the revocations that would kill the token, by the key that signed it among others.
func (c *Claims) marks(kid string) []iam.RevocationRef {
	refs := make([]iam.RevocationRef, 0, 8)
	refs = append(refs,
		iam.RevocationRef{Kind: iam.RevokedToken, ID: c.ID},
		iam.RevocationRef{Kind: iam.RevokedGrant, ID: c.Grant()},
		iam.RevocationRef{Kind: iam.RevokedKey, ID: kid})
	refs = append(refs, iam.RevocationRef{Kind: iam.RevokedClient, ID: string(c.ClientID)})
	if c.OrgID != "" {
		refs = append(refs, iam.RevocationRef{Kind: iam.RevokedOrganization, ID: string(c.OrgID)})
	}
	if c.Person() {
		refs = append(refs, iam.RevocationRef{Kind: iam.RevokedUser, ID: c.Subject})
		if c.OrgID != "" {
			refs = append(refs, iam.RevocationRef{Kind: iam.RevokedMember, ID: string(c.OrgID) + "/" + c.Subject})
		}
	}
	if c.SessionID != "" {
		refs = append(refs, iam.RevocationRef{Kind: iam.RevokedSession, ID: c.SessionID})
	}
	return refs
}

// audience is the aud claim: one value is a string, several are an array (RFC 7519 §4.1.3).
type audience []string

// UnmarshalJSON accepts both forms.
func (a *audience) UnmarshalJSON(data []byte) error {
	if len(data) > 0 && data[0] == '"' {
		var one string
		if err := json.Unmarshal(data, &one); err != nil {
			return err
		}
		*a = audience{one}
		return nil
	}
	return json.Unmarshal(data, (*[]string)(a))
}

// appendJSON writes the claims. It is written out because it runs for every token: no reflection, no map, no garbage.
// Roles and groups are written when the token speaks for an organization, empty ones too.
func (c *Claims) appendJSON(b []byte) ([]byte, error) {
	b = append(b, `{"iss":`...)
	b = appendString(b, c.Issuer)
	b = append(b, `,"sub":`...)
	b = appendString(b, c.Subject)
	b = append(b, `,"aud":`...)
	if len(c.Audience) == 1 {
		b = appendString(b, c.Audience[0])
	} else {
		b = appendStrings(b, c.Audience)
	}
	b = append(b, `,"client_id":`...)
	b = appendString(b, string(c.ClientID))
	b = append(b, `,"iat":`...)
	b = strconv.AppendInt(b, c.IssuedAt, 10)
	b = append(b, `,"exp":`...)
	b = strconv.AppendInt(b, c.ExpiresAt, 10)
	b = append(b, `,"jti":`...)
	b = appendString(b, c.ID)
	b = appendMember(b, "scope", c.Scope)
	if c.OrgID != "" {
		b = appendMember(b, "org_id", string(c.OrgID))
		b = appendMember(b, "org_name", c.OrgName)
		b = append(b, `,"roles":`...)
		b = appendStrings(b, c.Roles)
		b = append(b, `,"groups":`...)
		b = appendStrings(b, c.Groups)
	}
	if len(c.Entitlements) > 0 {
		b = append(b, `,"entitlements":`...)
		b = appendStrings(b, c.Entitlements)
	}
	if len(c.Details) > 0 {
		b = append(b, `,"authorization_details":`...)
		b = appendDetails(b, c.Details)
	}
	b = appendMember(b, "access_rev", c.AccessRev)
	if c.AuthTime != 0 {
		b = append(b, `,"auth_time":`...)
		b = strconv.AppendInt(b, c.AuthTime, 10)
	}
	b = appendMember(b, "acr", c.ACR)
	if len(c.AMR) > 0 {
		b = append(b, `,"amr":`...)
		b = appendStrings(b, c.AMR)
	}
	b = appendMember(b, "sid", c.SessionID)
	for i, x := range c.Extra {
		if !strings.Contains(x.Name, ":") || slices.ContainsFunc(c.Extra[:i], func(o Extra) bool { return o.Name == x.Name }) {
			return nil, iam.Errorf(iam.Internal, "the access model's claim %q would stand for another claim", x.Name)
		}
		b = appendMember(b, x.Name, x.Value)
	}
	b = append(b, '}')
	if size := base64.RawURLEncoding.EncodedLen(len(b)) + wrapping; size > MaxTokenSize {
		return nil, c.tooLarge(size)
	}
	return b, nil
}

// tooLarge names what takes the most room, so that whoever asked knows what to ask less of.
func (c *Claims) tooLarge(size int) error {
	type part struct {
		name string
		size int
	}
	parts := []part{
		{"roles", len(appendStrings(nil, c.Roles))}, {"groups", len(appendStrings(nil, c.Groups))},
		{"entitlements", len(appendStrings(nil, c.Entitlements))}, {"authorization_details", len(appendDetails(nil, c.Details))}, {"scope", len(c.Scope)}, {"aud", len(appendStrings(nil, c.Audience))},
	}
	for _, x := range c.Extra {
		parts = append(parts, part{x.Name, len(x.Value)})
	}
	slices.SortFunc(parts, func(a, b part) int { return b.size - a.size })
	return iam.Refuse(iam.Invalid, "invalid_request",
		"the token would have %d bytes, more than %d: the largest are %s (%d bytes) and %s (%d bytes); ask for less of them",
		size, MaxTokenSize, parts[0].name, parts[0].size, parts[1].name, parts[1].size)
}

// MaxTokenSize is the most bytes that a token may have, so that it fits into the header buffers of common proxies. A larger one is
// refused, never cut.
const MaxTokenSize = 6 << 10

// wrapping is what header and signature add at the most: a signature of RSA-2048 and our header.
const wrapping = 512

func appendMember(b []byte, name, value string) []byte {
	if value == "" {
		return b
	}
	b = append(b, ',')
	b = appendString(b, name)
	b = append(b, ':')
	return appendString(b, value)
}

func appendStrings[S ~string](b []byte, list []S) []byte {
	b = append(b, '[')
	for i, s := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(b, string(s))
	}
	return append(b, ']')
}

// appendString writes a JSON string. What needs escaping is rare here and goes the long way.
func appendString(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			quoted, err := json.Marshal(s)
			if err != nil {
				panic(fmt.Sprintf("a string always marshals: %v", err))
			}
			return append(b, quoted...)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}

func unix(t int64) time.Time { return time.Unix(t, 0) }
