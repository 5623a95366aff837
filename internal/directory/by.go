package directory

import (
	"github.com/gatehouse-id/gatehouse/internal/access"
	"github.com/gatehouse-id/gatehouse/internal/iam"
)

// A By says who asks for something, and what the audit log tells beside.
type By struct {
	access.Actor // whose rights count, and whether they do

	Name        string       // of the actor, for those who read the audit log
	Client      iam.ClientID // the client that the actor's token was issued to
	RequestedBy iam.UserID   // the owner at whose request an operator acts; "" when nobody's is named
	RequestID   string
	// Organization is the one organization that the actor's token speaks for: what lies outside of its tree does not exist for
	// the actor. "": the token speaks for none, and everything that the actor has rights at is there.
	Organization iam.NodeID
}

// Operator is who a client or user with the platform role operator is.
func Operator(s iam.Subject) By {
	return By{Actor: access.Actor{Subject: s, Authority: access.ByOperator}}
}
