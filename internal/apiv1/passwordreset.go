package apiv1

import (
	"context"
	"time"
)

// NewPasswordReset says how a user gets the link.
type NewPasswordReset struct {
	Delivery string `json:"delivery,omitempty" enum:"mail,link" doc:"mail sends it to the user's verified address; link returns it, to be handed over. Absent: mail where that is possible."`
}

// A PasswordReset is what became of the wish that a user choose a new password. The present one holds until then.
type PasswordReset struct {
	Mailed    bool      `json:"mailed,omitempty" doc:"A letter is on its way."`
	Link      string    `json:"link,omitempty" doc:"What to hand over to the user. It works once, and is shown this once."`
	ExpiresAt time.Time `json:"expires_at,omitzero" doc:"When the link ends."`
}

// ResetUserPassword has a user choose a new password by a one-time link.
func (c *Client) ResetUserPassword(ctx context.Context, user string, n NewPasswordReset) (PasswordReset, error) {
	v, _, err := create[PasswordReset](ctx, c, "/users"+segment(user)+"/password-resets", n)
	return v, err
}
