package token

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/keys"
)

// A Hint is what an ID token of ours says that somebody shows us again (OIDC Core §3.1.2.1, RP-Initiated Logout §2).
type Hint struct {
	Client    iam.ClientID
	User      iam.UserID
	SessionID string // "": it came of no session
}

// Hint reads an ID token by any published key. One that has expired is a good hint: it says who was meant, and proves nothing more.
// It returns nil for what is no ID token of ours; the error is iam.Unavailable.
func (i *Inspector) Hint(ctx context.Context, idToken string) (*Hint, error) {
	payload, _, err := i.Ring().Verify(idToken, keys.TypeIDToken)
	if errors.Is(err, keys.ErrUnknownKey) {
		if err := i.Refresh(ctx); err != nil {
			return nil, err
		}
		payload, _, err = i.Ring().Verify(idToken, keys.TypeIDToken)
	}
	if err != nil {
		return nil, nil
	}
	var c struct {
		Issuer    string       `json:"iss"`
		Audience  iam.ClientID `json:"aud"` // ours has one
		Subject   iam.UserID   `json:"sub"`
		SessionID string       `json:"sid"`
	}
	if json.Unmarshal(payload, &c) != nil || c.Issuer != i.Issuer || c.Audience == "" || c.Subject == "" {
		return nil, nil
	}
	return &Hint{Client: c.Audience, User: c.Subject, SessionID: c.SessionID}, nil
}
