package iam

import "time"

// A LinkPurpose is what a one-time link does.
type LinkPurpose string

// The purposes of links.
const (
	LinkSignIn     LinkPurpose = "sign_in"    // signs its user in
	LinkReset      LinkPurpose = "reset"      // lets its user choose a password
	LinkVerify     LinkPurpose = "verify"     // says that an address is its user's
	LinkInvitation LinkPurpose = "invitation" // takes an invitation to a node up
	LinkOperator   LinkPurpose = "operator"   // makes the first person who runs the installation
)

// A Link is a one-time link. Its secret is known to whoever was given it; here there is a hash.
type Link struct {
	ID      string      `json:"id"`
	Purpose LinkPurpose `json:"purpose"`
	Hash    string      `json:"hash"`
	User    UserID      `json:"user,omitempty"`   // whom it is for; of an invitation: nobody yet
	Email   string      `json:"email,omitempty"`  // the address that it is about
	Mailed  bool        `json:"mailed,omitempty"` // it went to Email and to nobody else: whoever has it reads what comes there
	// Node and InvitedAt are the invitation that it takes up: the one that was made then, and none that was made after it.
	Node      NodeID    `json:"node,omitempty"`
	InvitedAt time.Time `json:"invited_at,omitzero"`
	CreatedAt time.Time `json:"created_at"`
	ExpiresAt time.Time `json:"expires_at"`
}
