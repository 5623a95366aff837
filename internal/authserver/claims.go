package authserver

import (
	"encoding/json"
	"slices"

	"github.com/gatehouse-id/gatehouse/internal/iam"
)

// scopeClaims are the claims about a person that each scope stands for (OIDC Core §5.4).
var scopeClaims = map[string][]string{
	"profile": {
		"name", "family_name", "given_name", "middle_name", "nickname", "preferred_username", "profile", "picture", "website", "gender",
		"birthdate", "zoneinfo", "locale", "updated_at",
	},
	"email":   {"email", "email_verified"},
	"address": {"address"},
	"phone":   {"phone_number", "phone_number_verified"},
}

// scopeOfClaim returns the scope that a claim belongs to, "" when it is none about a person.
func scopeOfClaim(name string) string {
	for scope, names := range scopeClaims {
		if slices.Contains(names, name) {
			return scope
		}
	}
	return ""
}

// askedClaims returns those of a person's claims that the parameter claims asks for in one of its members, "id_token" or "userinfo"
// (OIDC Core §5.5). Asking one by one brings nothing that the client could not have by scope.
func askedClaims(parameter, member string, u *iam.User, c *iam.Client) map[string]any {
	if parameter == "" {
		return nil
	}
	var asked map[string]map[string]json.RawMessage
	if err := json.Unmarshal([]byte(parameter), &asked); err != nil {
		return nil // no claim is what it asks for; the authorization endpoint has refused what cannot be read
	}
	out := make(map[string]any)
	for name := range asked[member] {
		if scope := scopeOfClaim(name); scope != "" && (len(c.Scopes) == 0 || slices.Contains(c.Scopes, scope)) {
			putClaim(out, u, name)
		}
	}
	return out
}

// putClaim sets a claim about a person, if there is anything to say.
func putClaim(out map[string]any, u *iam.User, name string) {
	switch name {
	case "preferred_username":
		out[name] = u.Name
	case "updated_at":
		out[name] = u.UpdatedAt().Unix()
	case "email":
		if u.Email != "" {
			out[name] = u.Email
		}
	case "email_verified":
		if u.Email != "" {
			out[name] = u.EmailVerified
		}
	default:
		if v := u.Claims[name]; v != nil && v != "" {
			out[name] = v
		}
	}
}
